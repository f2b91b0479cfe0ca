"""Where the network looks before and after stage 2: a picture for each chosen clip, and a table."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tavlad.console import Failures, track
from tavlad.learning.scores import Predictions
from tavlad.report.looks import Looks, read_looks
from tavlad.report.picture import ROWS, Sights, draw_attention
from tavlad.report.results import STAGES, Result
from tavlad.video.frames import read_frames_file

LOOKS = dict(zip(ROWS, ("looks_stage1.h5", "looks.h5"), strict=True))  # what `evaluate` wrote
MEASURES = ("focus", "entropy")


def choose(results: Sequence[Result], asked: Sequence[str], frames: Path) -> dict[str, Result]:
    """By clip the first of `results` that holds it out: of the clips `asked` for, else of the first clip of each class
    in the first of `results`. Failures naming all that none holds out."""
    if not asked:
        made = results[0].predictions["stage2"]
        _, first = np.unique(made.labels, return_index=True)
        return {made.ids[row]: results[0] for row in first}
    chosen, rows = {}, []
    for clip in asked:
        holders = [result for result in results if clip in result.predictions["stage2"].ids]
        if holders:
            chosen[clip] = holders[0]
        else:
            known = (frames / f"{clip}.h5").exists()
            rows.append((clip, "no split holds it out" if known else "no clip has this id"))
    if rows:
        advice = "Correct summary.clips in params.yaml: the ids of part `test` in data/index/split*.csv can be shown."
        raise Failures("the attention in some clips cannot be drawn", rows, advice)
    return chosen


def draw_clips(chosen: Mapping[str, Result], evaluate: Path, frames: Path, crop: int, folder: Path) -> None:
    """Write `folder`/<clip id, - for />.png for each of the clips of `choose`; nothing where there is no attention."""
    splits = {result.split for result in chosen.values()}
    looks = {split: {row: read_looks(evaluate / split / file) for row, file in LOOKS.items()} for split in splits}
    shown = [
        clip
        for clip, result in chosen.items()
        if all(look.attention is not None for look in looks[result.split].values())
    ]
    if not shown:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for clip in track(shown, "summary", len(shown), "pictures"):
        result = chosen[clip]
        sights = sights_of(clip, frames, looks[result.split])
        title = caption(clip, result.predictions["stage2"])
        draw_attention(sights, crop, title, folder / f"{clip.replace('/', '-')}.png")


def sights_of(clip: str, frames: Path, looks: Mapping[str, Looks]) -> Sights:
    """The clip's stored frames, and what `looks`, by row of the picture, say of it."""
    attention, winners = {}, {}
    for row, look in looks.items():
        assert look.attention is not None and look.winners is not None
        place = look.ids.index(clip)
        attention[row], winners[row] = look.attention[place], list(look.winners[place])
    return Sights(read_frames_file(frames / f"{clip}.h5"), attention, winners)


def caption(clip: str, made: Predictions) -> str:
    """The clip's class, and what it was taken for."""
    row = made.ids.index(clip)
    label, predicted = made.classes[made.labels[row]], made.classes[int(made.logits[row].argmax())]
    return f"{clip}   class: {label}   predicted: {predicted}"


def write_attention(results: Sequence[Result], path: Path) -> None:
    """Write CSV: measure, class (blank for all), before and after stage 2, the mean over the splits that measured it.

    A focus of 1 and an entropy of 1 are those of uniform attention. No file is written where nothing was measured.
    """
    documents = [[result.metrics.get("looks", {}).get(stage, {}) for stage in STAGES] for result in results]
    found: dict[tuple[str, str], list[list[float]]] = {}
    for before, after in documents:
        for measure in MEASURES:
            if measure in before and measure in after:
                found.setdefault((measure, ""), []).append([before[measure], after[measure]])
            classes = before.get(f"{measure}_per_class", {}).keys() & after.get(f"{measure}_per_class", {}).keys()
            for name in sorted(classes):
                pair = [document[f"{measure}_per_class"][name] for document in (before, after)]
                found.setdefault((measure, name), []).append(pair)
    if not found:
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["measure", "class", "before", "after"])
        for (measure, name), pairs in sorted(found.items()):
            writer.writerow([measure, name, *(round(float(value), 5) for value in np.mean(pairs, axis=0))])

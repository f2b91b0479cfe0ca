"""Where models attend: measures, and pictures of some clips."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tavlad.console import track
from tavlad.errors import InputError
from tavlad.learning.clip_attention import SavedAttention, read_attention
from tavlad.learning.scores import Predictions
from tavlad.report.picture import ROWS, AttentionRows, draw_attention
from tavlad.report.results import STAGES, SplitResult
from tavlad.video.frames import read_frames_file


def entropy(attention: np.ndarray) -> np.ndarray:
    """The entropy of attention (..., H, W) over its locations, relative to the maximum, log N; 1 means uniform."""
    flat = attention.reshape(*attention.shape[:-2], -1).astype(np.float64)
    logs = np.log(flat, out=np.zeros_like(flat), where=flat > 0)
    shares: np.ndarray = -(flat * logs).sum(axis=-1) / max(np.log(flat.shape[-1]), np.finfo(float).tiny)
    return shares


def covered(box: np.ndarray, H: int, W: int) -> np.ndarray:
    """The fraction of each of H x W equal cells of the unit square inside the box x0, y0, x1, y1: (H, W) in 0..1."""
    sides = []
    for start, end, cells in ((box[1], box[3], H), (box[0], box[2], W)):
        edges = np.linspace(0, 1, cells + 1)
        inside = np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1])
        sides.append(np.clip(inside, 0, None) * cells)
    return np.outer(*sides)


def masses(saved: SavedAttention, boxes: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """By clip: the means over its frames of the attention inside the true box, and of the box's share of the crop.

    `boxes` (T, 4) are shares of the crop's side for each sampled frame; clips without boxes in the crop are left out.
    """
    if saved.attention is None:
        return {}
    found = {}
    for clip, attention in zip(saved.ids, saved.attention, strict=True):
        if clip in boxes:
            cells = np.stack([covered(box, *attention.shape[1:]) for box in boxes[clip]])  # (T, H, W)
            if cells.any():
                found[clip] = float((attention * cells).sum(axis=(1, 2)).mean()), float(cells.mean())
    return found


def attention_metrics(
    saved: SavedAttention, classes: Mapping[str, str], boxes: Mapping[str, np.ndarray]
) -> dict[str, object]:
    """Means over the clips, 5 digits; `classes` names each clip's class.

    `focus` is the attention mass inside the true boxes divided by the boxes' share of the frame, each summed over
    clips; uniform attention gives 1. It and `focus_per_class` are present only if there are clips with boxes.
    """
    document: dict[str, object] = {}
    for name, values in (("empty_clusters", saved.empty), ("confident_assignments", saved.confident)):
        if not np.isnan(values).any():
            document[name] = round(float(values.mean()), 5)
    if saved.attention is not None:
        document["entropy"] = round(float(entropy(saved.attention).mean()), 5)
    measured = masses(saved, boxes)
    if measured:
        names = sorted({classes[clip] for clip in measured})
        document["focus"] = _ratio(list(measured.values()))
        document["focus_per_class"] = {
            name: _ratio([pair for clip, pair in measured.items() if classes[clip] == name]) for name in names
        }
    return document


def _ratio(pairs: list[tuple[float, float]]) -> float:
    mass, share = np.sum(pairs, axis=0)
    return round(float(mass / share), 5)


FILES_BY_ROW = dict(zip(ROWS, ("attention_stage1.h5", "attention.h5"), strict=True))  # written by `evaluate`
MEASURES = ("focus", "entropy")


def choose_clips(results: Sequence[SplitResult], asked: Sequence[str], frames: Path) -> dict[str, SplitResult]:
    """For each clip the first of `results` that holds it out: for the clips `asked` for, or if none are, for the first
    clip of each class in the first of `results`. InputError naming all clips that are not held out."""
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
        raise InputError("the attention in some clips cannot be drawn", rows, advice)
    return chosen


def draw_clips(chosen: Mapping[str, SplitResult], evaluate: Path, frames: Path, crop: int, folder: Path) -> None:
    """Write `picture_name` to `folder` for each of the clips from `choose_clips`; nothing if there is no attention."""
    splits = {result.split for result in chosen.values()}
    saved = {
        split: {row: read_attention(evaluate / split / file) for row, file in FILES_BY_ROW.items()} for split in splits
    }
    shown = [
        clip
        for clip, result in chosen.items()
        if all(one.attention is not None for one in saved[result.split].values())
    ]
    if not shown:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for clip in track(shown, "summary", len(shown), "pictures"):
        result = chosen[clip]
        rows = rows_of(clip, frames, saved[result.split])
        title = caption(clip, result.predictions["stage2"])
        draw_attention(rows, crop, title, folder / picture_name(clip))


def picture_name(clip: str) -> str:
    """The name of a clip's picture."""
    return f"{clip.replace('/', '-')}.png"


def rows_of(clip: str, frames: Path, saved: Mapping[str, SavedAttention]) -> AttentionRows:
    """The clip's stored frames, and its attention from `saved`, by row of the picture."""
    attention, winners = {}, {}
    for row, one in saved.items():
        assert one.attention is not None and one.winners is not None
        place = one.ids.index(clip)
        attention[row], winners[row] = one.attention[place], list(one.winners[place])
    return AttentionRows(read_frames_file(frames / f"{clip}.h5"), attention, winners)


def caption(clip: str, made: Predictions) -> str:
    """The clip's class and its predicted class."""
    row = made.ids.index(clip)
    label, predicted = made.classes[made.labels[row]], made.classes[int(made.logits[row].argmax())]
    return f"{clip}   class: {label}   predicted: {predicted}"


def write_attention(results: Sequence[SplitResult], path: Path) -> None:
    """Write CSV: measure, class (blank for all), before and after stage 2, as means over the splits that have both.

    Uniform attention has focus 1 and entropy 1. No file is written if nothing was measured.
    """
    documents = [[result.metrics.get("attention", {}).get(stage, {}) for stage in STAGES] for result in results]
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

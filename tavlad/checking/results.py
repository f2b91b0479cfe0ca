"""Verifies results: whether the numbers in data/ follow from the predictions, and these from the models."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tavlad.console import quantity
from tavlad.data.listing import Problem
from tavlad.data.table import read_classes, read_clips, read_split
from tavlad.learning.checkpoints import read_facts
from tavlad.learning.clip_attention import read_attention
from tavlad.learning.curve import read_curve
from tavlad.learning.orders import SCORED
from tavlad.learning.scores import Predictions
from tavlad.learning.scoring import READ, Scorer
from tavlad.report.evaluation import AVERAGE, FILES, cropped_boxes, evaluation_document
from tavlad.report.results import read_results
from tavlad.report.summary import headline
from tavlad.store.hdf5 import opened_hdf5


def leaks(data: Path, split: str) -> Iterator[Problem]:
    """Test clips of `split` that are also in training or validation, or whose group is."""
    file = data / "index" / f"{split}.csv"
    parts, groups = read_split(file), {clip.id: clip.group for clip in read_clips(data / "index" / "clips.csv")}
    learned = {*parts.train, *parts.validation}
    known = {groups[clip] for clip in learned & groups.keys()}
    for clip in parts.test:
        if clip in learned:
            yield str(file), f"{clip} is held out, but is also in training or validation"
        elif groups.get(clip) in known:
            yield str(file), f"{clip} is held out, but other clips of its group, {groups[clip]}, are not"


def foreign(data: Path, split: str) -> Iterator[Problem]:
    """Predictions or attention that do not cover exactly the test clips of `split` and the classes of the index."""
    index, folder = data / "index", data / "evaluate" / split
    classes, labels = tuple(read_classes(index / "classes.txt")), _labels(index)
    test = set(read_split(index / f"{split}.csv").test)
    scored = [folder / f"{name}{end}.h5" for name, end in product(SCORED.values(), FILES.values())]
    for file in (*scored, folder / AVERAGE):
        made = Predictions.load(file)
        kinds = [
            ("held-out clip", "missing", test.difference(made.ids)),
            ("clip", "not held out", set(made.ids) - test),
            ("clip", "with a label that differs from clips.csv", _mislabelled(made, labels)),
            ("class name", "different from classes.txt, or in another order", _misplaced(made.classes, classes)),
        ]
        for noun, what, names in kinds:
            if names:
                yield str(file), f"{quantity(len(names), noun)} {what}, such as {min(names)}"
    for end in FILES.values():
        file, attended = folder / f"predictions{end}.h5", folder / f"attention{end}.h5"
        if read_attention(attended).ids != Predictions.load(file).ids:
            yield str(attended), f"its clips differ from those of {file.name}, or are in another order"


def wrong_metrics(data: Path, split: str, top: int) -> Iterator[Problem]:
    """Numbers in the split's metrics.json that differ from those recomputed from predictions, attention and index.

    `top` is the k of top-k accuracy.
    """
    index, folder = data / "index", data / "evaluate" / split
    final = Predictions.load(folder / "predictions.h5")
    boxes = cropped_boxes(index / "boxes.csv", data / "frames", final.ids, read_facts(data / "stage2" / split).crop)
    yield from _differences(folder / "metrics.json", evaluation_document(folder, index, split, top, boxes))


def wrong_headline(data: Path, splits: Sequence[str]) -> Iterator[Problem]:
    """Numbers in data/metrics.json that differ from those recomputed from the predictions."""
    results = read_results(data / "evaluate", data / "stage1", data / "stage2", tuple(splits))
    yield from _differences(data / "metrics.json", headline(results))


def wrong_counts(data: Path, splits: Sequence[str]) -> Iterator[Problem]:
    """Top-1 values that differ from an independent count from logits and clips.csv, without the library's scores."""
    labels, finals = _labels(data / "index"), {}
    for split in splits:
        written = _read(data / "evaluate" / split / "metrics.json")
        for stage, end in FILES.items():
            with opened_hdf5(data / "evaluate" / split / f"predictions{end}.h5") as file:
                truth = np.array([labels.get(clip, -1) for clip in file["ids"].asstr()[()]])
                finals[split] = float(np.mean(np.argmax(file["logits"][()], axis=1) == truth))  # stage 2 comes last
            yield from _miscounted(data / "evaluate" / split, f"{stage}.top1", written[stage]["top1"], finals[split])
    headlines = _read(data / "metrics.json")
    for name, share in {"mean": float(np.mean(list(finals.values()))), **finals}.items():
        yield from _miscounted(data, name, headlines.get(name), share)


def _miscounted(folder: Path, name: str, written: float | None, counted: float) -> Iterator[Problem]:
    if written != round(counted, 5):
        yield str(folder / "metrics.json"), f"{name} is {written}, but counting the correct clips gives {counted:.5f}"


def _labels(index: Path) -> dict[str, int]:
    numbers = {name: number for number, name in enumerate(read_classes(index / "classes.txt"))}
    return {clip.id: numbers[clip.label] for clip in read_clips(index / "clips.csv")}


def _mislabelled(made: Predictions, labels: Mapping[str, int]) -> set[str]:
    return {clip for clip, label in zip(made.ids, made.labels, strict=True) if labels.get(clip, label) != label}


def _misplaced(found: Sequence[str], right: Sequence[str]) -> set[str]:
    return {name for place, name in enumerate(found) if tuple(right[place : place + 1]) != (name,)}


def _differences(file: Path, made: Mapping[str, Any]) -> Iterator[Problem]:
    """Numbers in the JSON at `file` that differ from `made`, are missing, or are not in `made`."""
    written, right = _flat(_read(file)), _flat(json.loads(json.dumps(made)))
    for name in {**right, **written}:
        if written.get(name) != right.get(name):
            recomputed = right.get(name, "not there")
            yield str(file), f"{name} is {written.get(name, 'missing')}, but recomputed it is {recomputed}"


def _flat(document: Any, prefix: str = "") -> dict[str, str]:
    """The leaves of nested dictionaries as JSON text, by dotted name; as text, NaN equals itself."""
    if not isinstance(document, dict):
        return {prefix: json.dumps(document)}
    return {
        name: leaf
        for key, value in document.items()
        for name, leaf in _flat(value, f"{prefix}.{key}" if prefix else key).items()
    }


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


Place = tuple[str, str, str]  # file, clip, "logits" or "attention"

INPUTS = {"stage1": "features", "stage2": "frames"}  # the folder in data/ with the input of each stage's model
SEED = 1  # fixed, so that everyone who verifies checks the same clips


def sample_clips(ids: Sequence[str], count: int) -> list[str]:
    """At most `count` of `ids`, drawn uniformly with a fixed seed, sorted."""
    picks = np.random.default_rng(SEED).choice(len(ids), size=min(count, len(ids)), replace=False)
    return sorted(ids[pick] for pick in picks)


def distances(data: Path, split: str, count: int, device: torch.device) -> dict[Place, float]:
    """Recompute logits and attention of `count` held-out clips of `split`: the largest difference from the saved ones,
    relative to the largest value; 0 only if they are equal bit for bit.

    If stage 2 had 0 epochs, the final predictions are those of stage 1, as in evaluate.
    """
    found: dict[Place, float] = {}
    trained = len(read_curve(data / "stage2" / split)["epoch"]) > 0
    for stage, end in FILES.items():
        folder, source = data / "evaluate" / split, stage if trained else "stage1"
        saved = {name: Predictions.load(folder / f"{name}{end}.h5") for name in SCORED.values()}
        attended, seen = folder / f"attention{end}.h5", read_attention(folder / f"attention{end}.h5")
        scorer = Scorer(data / source / split, device)
        for name, one in saved.items():
            if scorer.facts.classes != one.classes:
                raise ValueError(f"{data / source / split} was trained on classes other than those in {name}{end}.h5")
        for clip in sample_clips(saved["predictions"].ids, count):
            values = READ[source](data / INPUTS[source] / f"{clip}.h5")
            logits, made = scorer.in_all_orders(source, clip, values)
            for (name, one), row in zip(saved.items(), logits, strict=True):
                found[str(folder / f"{name}{end}.h5"), clip, "logits"] = _distance(one.logits[one.ids.index(clip)], row)
            if seen.attention is not None:
                found[str(attended), clip, "attention"] = _distance(
                    seen.attention[seen.ids.index(clip)], made.attention
                )
    return found


def _distance(saved: np.ndarray, made: np.ndarray | None) -> float:
    if made is None or made.shape != saved.shape:
        return float("inf")
    if np.array_equal(saved, made):
        return 0.0
    return float(np.abs(saved - made).max() / max(np.abs(saved).max(), np.finfo(np.float32).tiny))

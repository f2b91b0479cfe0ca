"""The classes one by one: how many held-out clips of each are right, and what the others are taken for."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tavlad.learning.scores import Predictions
from tavlad.report.results import SplitResult


@dataclass(frozen=True)
class ClassRow:
    """A class after stage 2: its held-out clips in all splits, its recall in each split (None without clips), their
    mean; the class that it is most often taken for ("" for none), and for how many of its clips."""

    name: str
    clips: int
    recalls: tuple[float | None, ...]
    mean: float | None
    taken_for: str
    times: int


def class_rows(results: Sequence[SplitResult]) -> list[ClassRow]:
    """One row per class, in class order."""
    counts, classes = all_splits(results).confusion(), results[0].predictions["stage2"].classes
    recalls = np.stack([result.predictions["stage2"].class_accuracies for result in results], axis=1)  # (Y, splits)
    rows = []
    for label, name in enumerate(classes):
        shares = [None if np.isnan(value) else float(value) for value in recalls[label]]
        known = [share for share in shares if share is not None]
        others = np.where(np.arange(len(classes)) == label, 0, counts[label])
        most = int(others.argmax())
        taken_for = classes[most] if others[most] else ""
        mean = float(np.mean(known)) if known else None
        rows.append(ClassRow(name, int(counts[label].sum()), tuple(shares), mean, taken_for, int(others[most])))
    return rows


def all_splits(results: Sequence[SplitResult]) -> Predictions:
    """The predictions after stage 2 of all splits; ids are `<split>/<clip id>`, as splits may share clips."""
    final = [result.predictions["stage2"] for result in results]
    return Predictions(
        tuple(f"{result.split}/{clip}" for result in results for clip in result.predictions["stage2"].ids),
        np.concatenate([predictions.labels for predictions in final]),
        np.concatenate([predictions.logits for predictions in final]),
        final[0].classes,
    )


def write_class_table(results: Sequence[SplitResult], path: Path) -> None:
    """Write CSV: class, held-out clips of all splits, recall after stage 2 in each (blank without clips), mean."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "clips", *(result.split for result in results), "mean"])
        for row in class_rows(results):
            shares = ("" if share is None else round(share, 5) for share in (*row.recalls, row.mean))
            writer.writerow([row.name, row.clips, *shares])

"""All splits in one place: the numbers that experiments are compared by, a table per class, and a printed table."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tavlad import console
from tavlad.report.results import STAGES, SplitResult, lost

NAMES = {"average": "average pooling + linear", "stage1": "stage 1", "stage2": "stage 2"}  # in tables and text


def headline(results: Sequence[SplitResult]) -> dict[str, float]:
    """Top-1 after stage 2, 5 digits: mean and each split; `excluded`, the most clips that a split lost, if any."""
    top1 = {result.split: result.predictions["stage2"].top1 for result in results}
    numbers: dict[str, float] = {"mean": round(float(np.mean(list(top1.values()))), 5)}
    numbers |= {split: round(value, 5) for split, value in top1.items()}
    if excluded := max(sum(result.metrics["excluded"].values()) for result in results):
        numbers["excluded"] = excluded
    return numbers


def headline_line(numbers: Mapping[str, float]) -> str:
    """The numbers of `headline`, in one line."""
    splits = ", ".join(f"{value:.3f}" for name, value in numbers.items() if name not in ("mean", "excluded"))
    return f"mean top-1 {numbers['mean']:.3f} of {splits}"


def class_line(results: Sequence[SplitResult]) -> str:
    """The mean class accuracy after stage 2, averaged over the splits, as text."""
    shares = [result.predictions["stage2"].mean_class_accuracy for result in results]
    return f"mean class accuracy {np.mean(shares):.3f}"


@dataclass(frozen=True)
class Compared:
    """Top-1 of one model in each split, with the clips' frames in one order ("filmed", "reversed", "shuffled")."""

    model: str
    frames: str
    top1: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the splits."""
        return float(np.mean(self.top1))


def compared(results: Sequence[SplitResult]) -> list[Compared]:
    """The ablation of VLAD, the GRU and temporal order: average pooling, then each stage in each order of frames."""
    rows = [Compared("average", "filmed", tuple(result.metrics["average"]["top1"] for result in results))]
    for stage in STAGES:
        scores = [result.metrics[stage] for result in results]
        rows.append(Compared(stage, "filmed", tuple(one["top1"] for one in scores)))
        rows += [Compared(stage, order, tuple(one["order"][order] for one in scores)) for order in scores[0]["order"]]
    return rows


def write_comparison(results: Sequence[SplitResult], path: Path) -> None:
    """Write `compared` as CSV: model, order of the frames, top-1 in each split, mean."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["model", "frames", *(result.split for result in results), "mean"])
        writer.writerows([row.model, row.frames, *row.top1, round(row.mean, 5)] for row in compared(results))


def comparison_line(results: Sequence[SplitResult]) -> str:
    """The means of `compared`, in one line."""
    rows, parts = compared(results), []
    for one in (row for row in rows if row.frames == "filmed"):
        others = [f"{row.frames} {row.mean:.3f}" for row in rows if row.model == one.model and row is not one]
        parts.append(f"{NAMES[one.model]}: {one.mean:.3f}" + (f" (frames {', '.join(others)})" if others else ""))
    return f"mean top-1: {'; '.join(parts)}"


def print_table(results: Sequence[SplitResult]) -> None:
    """Print one row per split and their mean, one column per score of metrics.json, and `comparison_line` below."""
    names = [(stage, name) for stage in STAGES for name in results[0].metrics[stage] if name not in ("clips", "order")]
    heads = [f"{stage}\n{name.replace('_accuracy', '').replace('_', ' ')}" for stage, name in names]
    scores = [[result.metrics[stage][name] for stage, name in names] for result in results]
    last, rows = results[-1], []
    for result, row in zip(results, scores, strict=True):
        clips = str(result.metrics["stage2"]["clips"])
        rows.append(console.Row((result.split, clips, *(f"{score:.3f}" for score in row)), ends=result is last))
    rows.append(console.Row(("mean", "", *(f"{score:.3f}" for score in np.mean(scores, axis=0)))))
    notes = [f"{result.split}: {note}" for result in results if (note := lost(result.metrics["excluded"]))]
    below = [comparison_line(results), *notes]
    console.table("held-out clips", ("split", "clips", *heads), rows, numbers=True, notes=below)

"""All splits in one place: the numbers that experiments are compared by, a table per class, a table to read."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tavlad import console
from tavlad.report.results import STAGES, SplitResult, lost


def headline(results: Sequence[SplitResult]) -> dict[str, float]:
    """Top-1 after stage 2, 5 digits: mean and each split; the most clips that a split lost, if any, as `excluded`."""
    top1 = {result.split: result.predictions["stage2"].top1 for result in results}
    numbers: dict[str, float] = {"mean": round(float(np.mean(list(top1.values()))), 5)}
    numbers |= {split: round(value, 5) for split, value in top1.items()}
    if excluded := max(sum(result.metrics["excluded"].values()) for result in results):
        numbers["excluded"] = excluded
    return numbers


def headline_line(numbers: Mapping[str, float]) -> str:
    """What `headline` says, in one line."""
    splits = ", ".join(f"{value:.3f}" for name, value in numbers.items() if name not in ("mean", "excluded"))
    return f"mean top-1 {numbers['mean']:.3f} of {splits}"


def write_class_table(results: Sequence[SplitResult], path: Path) -> None:
    """Write CSV: class, held-out clips of all splits, accuracy after stage 2 in each (blank without clips), mean."""
    final = [result.predictions["stage2"] for result in results]
    accuracies = np.stack([predictions.class_accuracies for predictions in final], axis=1)  # (Y, splits)
    clips = sum(predictions.confusion().sum(axis=1) for predictions in final)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "clips", *(result.split for result in results), "mean"])
        for name, count, row in zip(final[0].classes, np.asarray(clips), accuracies, strict=True):
            known = row[~np.isnan(row)]
            mean = [known.mean()] if len(known) else [np.nan]
            writer.writerow([name, count, *("" if np.isnan(value) else round(value, 5) for value in [*row, *mean])])


def print_table(results: Sequence[SplitResult]) -> None:
    """Print a row per split and their mean, a column per score of metrics.json."""
    names = [(stage, name) for stage in STAGES for name in results[0].metrics[stage] if name != "clips"]
    heads = [f"{stage}\n{name.replace('_accuracy', '').replace('_', ' ')}" for stage, name in names]
    scores = [[result.metrics[stage][name] for stage, name in names] for result in results]
    last, rows = results[-1], []
    for result, row in zip(results, scores, strict=True):
        clips = str(result.metrics["stage2"]["clips"])
        rows.append(console.Row((result.split, clips, *(f"{score:.3f}" for score in row)), ends=result is last))
    rows.append(console.Row(("mean", "", *(f"{score:.3f}" for score in np.mean(scores, axis=0)))))
    notes = [f"{result.split}: {note}" for result in results if (note := lost(result.metrics["excluded"]))]
    console.table("held-out clips", ("split", "clips", *heads), rows, numbers=True, notes=notes)

"""All splits in one place: the numbers that experiments are compared by, a table per class, a table to read."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from tavlad.report.metrics import lost
from tavlad.report.results import STAGES, Result


def headline(results: Sequence[Result]) -> dict[str, float]:
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


def write_classes(results: Sequence[Result], path: Path) -> None:
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


def table(results: Sequence[Result]) -> Table:
    """A row per split and their mean, a column per score of metrics.json, for the terminal."""
    names = [(stage, name) for stage in STAGES for name in results[0].metrics[stage] if name != "clips"]
    made = Table(title="held-out clips", title_justify="left")
    made.add_column("split")
    made.add_column("clips", justify="right")
    for stage, name in names:
        made.add_column(f"{stage}\n{name.replace('_accuracy', '').replace('_', ' ')}", justify="right")
    rows = [[result.metrics[stage][name] for stage, name in names] for result in results]
    clips = [result.metrics["stage2"]["clips"] for result in results]
    for result, count, row in zip(results, clips, rows, strict=True):
        made.add_row(Text(result.split), str(count), *(f"{value:.3f}" for value in row))
    made.add_section()
    made.add_row("mean", "", *(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    if notes := [f"{result.split}: {note}" for result in results if (note := lost(result.metrics["excluded"]))]:
        made.caption, made.caption_justify = Text("\n".join(notes)), "left"
    return made

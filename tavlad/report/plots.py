"""The images shown by `dvc plots`: curves, confusion, recalls."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tavlad.report.classes import all_splits, class_rows
from tavlad.report.evaluation import draw_confusion
from tavlad.report.figure import COLOURS, draw_curves, figure
from tavlad.report.results import SplitResult


def draw_plots(results: Sequence[SplitResult], folder: Path) -> None:
    """Write curves.png, confusion.png and classes.png, each covering all splits, to `folder`."""
    splits = ", ".join(result.split for result in results)
    draw_curves(results, folder / "curves.png")
    draw_confusion(all_splits(results), f"{splits}: held-out clips after stage 2", folder / "confusion.png")
    draw_recalls(results, folder / "classes.png")


def draw_recalls(results: Sequence[SplitResult], path: Path) -> None:
    """Write a bar chart of the classes to `path` (PNG): the mean recall of each, with one mark per split."""
    rows = class_rows(results)
    high = float(np.clip(6 / len(rows), 0.16, 0.4))  # inches
    with figure(path, 7, 0.6 + high * len(rows)) as drawn:
        axes = drawn.subplots()
        places = np.arange(len(rows))
        axes.barh(places, [row.mean or 0 for row in rows], color=COLOURS[0], alpha=0.35, height=0.7)
        for number, result in enumerate(results):
            marks = [np.nan if (share := row.recalls[number]) is None else share for row in rows]
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(marks, places, "D", color=colour, markersize=4, label=result.split, clip_on=False)
        names = [f"{row.name} ({row.clips})" for row in rows]
        axes.set_yticks(places, names, fontsize=min(10.0, high * 60))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("recall after stage 2 (bar: mean of the splits; in brackets: held-out clips)")
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(results), borderpad=0.2)

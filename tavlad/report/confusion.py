"""Which classes are taken for which: a figure and a table."""

import csv
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from tavlad.learning.scores import Predictions
from tavlad.report.figure import figure

PRINTED = 20  # up to so many classes, a cell is large enough for its count


def draw_confusion(predictions: Predictions, title: str, path: Path) -> None:
    """Write the confusion matrix at `path` (PNG): row = class, column = predicted class, colour = share of the row."""
    counts = predictions.confusion()
    Y = len(counts)
    cell = float(np.clip(4.5 / Y, 0.14, 0.9))  # inches
    clips = counts.sum(axis=1, keepdims=True)
    shares = np.ma.masked_invalid(np.divide(counts, clips, out=np.full(counts.shape, np.nan), where=clips > 0))
    side = Y * cell
    with figure(path, side, side) as drawn:
        axes = drawn.add_axes((0, 0, 1, 1))
        # the square root lets a single error be seen beside a full diagonal
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest", aspect="auto")
        axes.set_facecolor("0.9")  # of a class without clips
        _label(axes, predictions.classes, cell)
        axes.set_title(textwrap.fill(title, max(30, round(side * 14))), pad=10)
        if Y <= PRINTED:
            _print_counts(axes, counts, shares.filled(0))
        height = min(1, 4.5 / side)
        bar = drawn.add_axes((1 + 0.2 / side, 1 - height, 0.14 / side, height))
        ticks = [0, 0.05, 0.2, 0.5, 1]
        drawn.colorbar(image, cax=bar, ticks=ticks, format="{x:.0%}", label="share of the class's clips")
        bar.grid(False)


def _label(axes: Axes, classes: tuple[str, ...], cell: float) -> None:
    Y = len(classes)
    size = min(10.0, cell * 72 * 0.75)
    many = Y > PRINTED
    axes.set_xticks(range(Y), classes, fontsize=size, rotation=90 if many else 45, ha="center" if many else "right")
    for tick in axes.get_xticklabels():
        tick.set_rotation_mode("default" if many else "anchor")
    axes.set_yticks(range(Y), classes, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("class")
    axes.grid(False)
    axes.tick_params(which="both", length=0)
    step = 5 if many else 1  # lines between cells, to follow a row by eye
    for place in np.arange(step, Y, step) - 0.5:
        axes.axhline(place, color="0.85", linewidth=0.5)
        axes.axvline(place, color="0.85", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(True)


def _print_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.4 else "0.2"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)


def write_confused(predictions: Predictions, n: int, path: Path) -> None:
    """Write the n most confused pairs as CSV: class, predicted, clips, and their share of the class's clips."""
    clips = dict(zip(predictions.classes, predictions.confusion().sum(axis=1), strict=True))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "predicted", "clips", "share"])
        for label, predicted, count in predictions.confused_pairs(n):
            writer.writerow([label, predicted, count, round(count / clips[label], 5)])

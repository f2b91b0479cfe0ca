"""Pictures of a report: the heat map of a grid, and bars beside the paper's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tavlad.experiments.tables import Row
from tavlad.report.figure import figure

OURS, PAPERS = "#0072b2", "#bbbbbb"
AXES = {"clusters": "clusters K", "hidden": "memory D"}


def draw_grid(grid: dict[str, list[int]], cells: dict[tuple[int, ...], float], title: str, path: Path) -> None:
    """Write the heat map of accuracies by grid cell, first parameter downwards; a cell that did not run is blank."""
    (down, rows), (across, columns) = grid.items()
    values = np.array([[100 * cells.get((row, column), np.nan) for column in columns] for row in rows])
    with figure(path, 1.6 + 1.1 * len(columns), 1.2 + 0.8 * len(rows)) as drawn:
        axes = drawn.subplots()
        axes.set_title(title)
        image = axes.imshow(values, cmap="viridis", aspect="auto")
        axes.set_xticks(range(len(columns)), [str(value) for value in columns])
        axes.set_yticks(range(len(rows)), [str(value) for value in rows])
        axes.set_xlabel(AXES.get(across, across))
        axes.set_ylabel(AXES.get(down, down))
        axes.grid(False)
        middle = np.nanmean([np.nanmin(values), np.nanmax(values)])
        for (row, column), value in np.ndenumerate(values):
            text, colour = ("not run", "0.5") if np.isnan(value) else (f"{value:.1f}", "w" if value < middle else "k")
            axes.text(column, row, text, ha="center", va="center", color=colour)
        drawn.colorbar(image, label="accuracy, %")


def draw_bars(rows: Sequence[Row], stage: str, title: str, path: Path) -> None:
    """Write a bar a variant after `stage`, with its interval over groups; beside them the paper's own numbers."""
    shown = [row for row in rows if stage in row.scores][::-1]
    with figure(path, 11, 1.2 + 0.42 * len(shown)) as drawn:
        ours, papers = drawn.subplots(1, 2, sharey=True, width_ratios=[1, 1], gridspec_kw={"wspace": 0.06})
        for place, row in enumerate(shown):
            score = row.scores[stage]
            low, high = score.interval
            ours.barh(place, 100 * score.mean, color=OURS, height=0.62)
            ours.plot([100 * low, 100 * high], [place, place], color="0.15", linewidth=1.4)
            _write(ours, place, 100 * score.mean)
            if row.paper is not None:
                papers.barh(place, row.paper, color=PAPERS, height=0.62, hatch="//", edgecolor="w")
                _write(papers, place, row.paper)
        ours.set_yticks(range(len(shown)), [row.label for row in shown])
        ours.set_title(title)
        papers.set_title("the paper's: HMDB51 split 1")
        for axes in (ours, papers):
            axes.set_xlim(0, 100)
            axes.set_xlabel("accuracy, %")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)


def _write(axes: Axes, place: int, value: float) -> None:
    box = {"facecolor": "w", "edgecolor": "none", "pad": 1.2}
    axes.text(1.5, place, f"{value:.1f}", va="center", ha="left", fontsize=9, bbox=box)

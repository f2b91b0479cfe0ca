"""The paper's Fig. 5 for one clip: its frames, and beneath them where the network looks before and after stage 2."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm

from tavlad.report.figure import figure
from tavlad.report.heat import COLOURS, crop_corner, lay_over, scale_of
from tavlad.video.sampling import indices

COLUMNS = 8
TILE = 1.3  # inches, of a frame
GAP = 0.06  # between frames of one row
CAPTION = 0.36  # beneath an overlay: two lines
LINE = 22  # characters that fit beneath a frame
ROWS = ("before stage 2", "after stage 2")


@dataclass(frozen=True, eq=False)
class Sights:
    """One clip's frames uint8 (T, H, W, 3), and by row of the picture attention (T, h, w) and ImageNet classes (T)."""

    frames: np.ndarray
    attention: dict[str, np.ndarray]
    winners: dict[str, list[str]]


def draw_attention(sights: Sights, crop: int, title: str, path: Path) -> None:
    """Write the picture at `path` (PNG): up to 8 frames evenly over time, and of them the centre crop that was seen."""
    taken = indices(len(sights.frames), min(COLUMNS, len(sights.frames)))
    height, width = sights.frames.shape[1:3]
    top, left = crop_corner(height, width, crop)
    squares = sights.frames[taken, top : top + crop, left : left + crop]
    attention = {row: maps[taken] for row, maps in sights.attention.items()}
    scale = scale_of(np.stack(list(attention.values())))
    across, down = len(taken) * (TILE + GAP), 3 * TILE + 2 * CAPTION + 2 * GAP
    with figure(path, across, down) as drawn:
        axes = drawn.add_axes((0, 0, 1, 1), xlim=(0, across), ylim=(down, 0))  # in inches, downwards
        axes.set_axis_off()
        for column, square in enumerate(squares):
            _tile(axes, square, column, 0)
            for place, row in enumerate(ROWS):
                y = (place + 1) * (TILE + GAP) + place * CAPTION
                _tile(axes, lay_over(square, attention[row][column], scale), column, y)
                name = _short(sights.winners[row][taken[column]])
                middle = column * (TILE + GAP) + TILE / 2
                axes.text(middle, y + TILE + 0.04, name, fontsize=7, ha="center", va="top", linespacing=1.05)
        for place, row in enumerate(ROWS):
            y = (place + 1) * (TILE + GAP) + place * CAPTION + TILE / 2
            axes.text(-0.1, y, row, rotation=90, ha="right", va="center")
        axes.set_title(textwrap.fill(title, max(30, round(across * 11))), pad=8)
        bar = drawn.add_axes((1 + 0.1 / across, CAPTION / down, 0.13 / across, (2 * TILE + CAPTION + GAP) / down))
        _explain(bar, scale, attention[ROWS[0]][0].size)


def _tile(axes: Axes, square: np.ndarray, column: int, y: float) -> None:
    x = column * (TILE + GAP)
    axes.imshow(square, extent=(x, x + TILE, y + TILE, y), aspect="auto", interpolation="antialiased")


def _short(name: str) -> str:
    """The first of the names of an ImageNet class, in at most two lines."""
    return "\n".join(textwrap.wrap(name.split(",")[0], LINE, max_lines=2, placeholder=" …"))


def _explain(bar: Axes, scale: PowerNorm, N: int) -> None:
    """The colour scale, on a grey as of a frame, with the share that each of the N locations has if all are alike."""
    bar.set_facecolor("0.5")
    assert bar.figure is not None
    bar.figure.colorbar(ScalarMappable(scale, COLOURS), cax=bar, label="share of the attention, each location")
    bar.grid(False)
    ticks = {0.0: "0", 1 / N: f"1/{N}\nuniform", float(scale.vmax or 1): f"{scale.vmax:.2g}"}
    bar.set_yticks(list(ticks), list(ticks.values()), fontsize=8)
    bar.axhline(1 / N, color="white", linewidth=1)

"""A heat map over a frame, and a clip as a row of frames with their attention."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, PowerNorm
from PIL import Image

from tavlad.report.figure import figure
from tavlad.video.frames import indices

STEPS = 256
GLOW = 4  # the scale ends at this multiple of uniform attention or above, or uniform attention would glow


def _colours() -> ListedColormap:
    """Black through red to pale yellow, perceptually uniform; more transparent for less attention."""
    table = colormaps["inferno"](np.linspace(0, 1, STEPS))
    table[:, 3] = np.linspace(0, 0.8, STEPS)
    return ListedColormap(table, "heat")


COLOURS = _colours()


def scale_of(attention: np.ndarray) -> PowerNorm:
    """The colour scale of attention (..., H, W): from 0 to its maximum, or to 4 times uniform if that is larger.

    It is a square-root scale, so that a peak leaves the rest visible.
    """
    uniform = 1 / (attention.shape[-2] * attention.shape[-1])
    return PowerNorm(0.5, 0, max(float(attention.max()), GLOW * uniform))


def crop_corner(height: int, width: int, crop: int) -> tuple[int, int]:
    """Top and left of the centre crop, as cut by `tavlad.features.views`."""
    return (height - crop) // 2, (width - crop) // 2


def lay_over(square: np.ndarray, attention: np.ndarray, scale: PowerNorm) -> np.ndarray:
    """The cropped frame uint8 (S, S, 3), greyed, under its attention (H, W), enlarged bilinearly: uint8 (S, S, 3)."""
    enlarged = Image.fromarray(attention.astype(np.float32)).resize(square.shape[1::-1], Image.Resampling.BILINEAR)
    heat = COLOURS(scale(np.asarray(enlarged)), bytes=True).astype(np.uint16)
    grey = np.asarray(Image.fromarray(square).convert("L"))[..., None]  # a yellow court must not look like heat
    alpha = heat[..., 3:]
    shown: np.ndarray = ((grey * (255 - alpha) + heat[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return shown


COLUMNS = 8
TILE = 1.3  # side of a frame, in inches
GAP = 0.06  # between frames of one row
CAPTION = 0.36  # two lines below an overlay
LINE = 22  # characters that fit below a frame
ROWS = ("before stage 2", "after stage 2")


@dataclass(frozen=True, eq=False)
class AttentionRows:
    """One clip's frames uint8 (T, H, W, 3), and by row of the picture attention (T, h, w) and ImageNet classes (T)."""

    frames: np.ndarray
    attention: dict[str, np.ndarray]
    winners: dict[str, list[str]]


def draw_attention(rows: AttentionRows, crop: int, title: str, path: Path) -> None:
    """Write the picture to `path` (PNG): up to 8 frames, evenly spaced in time, cropped to the model's centre crop."""
    taken = indices(len(rows.frames), min(COLUMNS, len(rows.frames)))
    height, width = rows.frames.shape[1:3]
    top, left = crop_corner(height, width, crop)
    squares = rows.frames[taken, top : top + crop, left : left + crop]
    attention = {row: maps[taken] for row, maps in rows.attention.items()}
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
                name = _short(rows.winners[row][taken[column]])
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
    """The first name of an ImageNet class, in at most two lines."""
    return "\n".join(textwrap.wrap(name.split(",")[0], LINE, max_lines=2, placeholder=" …"))


def _explain(bar: Axes, scale: PowerNorm, N: int) -> None:
    """The colour scale, on the grey of a frame, with a mark at uniform attention, 1/N."""
    bar.set_facecolor("0.5")
    assert bar.figure is not None
    bar.figure.colorbar(ScalarMappable(scale, COLOURS), cax=bar, label="share of the attention, each location")
    bar.grid(False)
    ticks = {0.0: "0", 1 / N: f"1/{N}\nuniform", float(scale.vmax or 1): f"{scale.vmax:.2g}"}
    bar.set_yticks(list(ticks), list(ticks.values()), fontsize=8)
    bar.axhline(1 / N, color="white", linewidth=1)

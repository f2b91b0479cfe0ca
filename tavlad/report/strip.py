"""A long video in one picture: its classes over time above thumbnails, built while streaming, in constant memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from PIL import Image

from tavlad.console import quantity
from tavlad.learning.segments import Cell, Segment
from tavlad.report.figure import COLOURS, figure

COLUMNS = 1200  # in the picture; up to twice as many are kept
THUMBNAILS = 12  # in the picture; up to four times as many are kept
ROWS = 16  # classes, those with the highest peak probability
SIDE = 160  # longest side of a thumbnail in pixels
WIDTH, ROW, LEAST = 12.0, 0.3, 4  # width of the picture and height of a class in inches; least height in classes


class Strip:
    """Cells and segments of one video, thinned out as their number grows."""

    def __init__(self) -> None:
        self.end = 0.0
        self.edges: list[float] = []
        self.columns: list[np.ndarray] = []
        self.segments: list[Segment] = []
        self._sum: np.ndarray | float = 0.0
        self._summed, self._each = 0, 1  # cells in the current column, and in a complete one
        self._pictures: list[tuple[float, Image.Image]] = []
        self._seen, self._apart = 0, 1  # cells so far, and cells from thumbnail to thumbnail

    def add(self, cell: Cell) -> None:
        """Add the next cell."""
        self.edges = self.edges or [cell.start]
        self._sum, self._summed = self._sum + cell.probabilities, self._summed + 1
        self.end = cell.end
        if self._summed == self._each:
            self._close()
        if len(self.columns) == 2 * COLUMNS:
            self.columns = [(one + other) / 2 for one, other in zip(self.columns[::2], self.columns[1::2], strict=True)]
            self.edges, self._each = self.edges[::2], 2 * self._each
        if self._seen % self._apart == 0:
            small = Image.fromarray(cell.picture)
            small.thumbnail((SIDE, SIDE))
            self._pictures.append(((cell.start + cell.end) / 2, small))
        self._seen += 1
        if len(self._pictures) == 4 * THUMBNAILS:
            self._pictures, self._apart = self._pictures[::2], 2 * self._apart

    def _close(self) -> None:
        self.columns.append(np.asarray(self._sum / self._summed, np.float32))
        self.edges.append(self.end)
        self._sum, self._summed = 0.0, 0

    def draw(self, path: Path, classes: Sequence[str], title: str) -> None:
        """Write the picture to `path` (PNG): one row per class, with the segments underlined."""
        if self._summed:
            self._close()
        table = np.stack(self.columns, axis=1)  # (Y, columns)
        shown = np.sort(np.argsort(-table.max(axis=1), kind="stable")[:ROWS])
        height = max(LEAST, len(shown)) * ROW
        width, high = max(one.size for _, one in self._pictures)
        tall = WIDTH / THUMBNAILS * high / width
        with figure(path, WIDTH, height + tall) as drawn:
            share = tall / (height + tall)
            upper = drawn.add_axes((0, share + 0.3 / (height + tall), 1, 1 - share))
            mesh = upper.pcolormesh(self.edges, np.arange(len(shown) + 1), table[shown], cmap="Blues", vmin=0, vmax=1)
            self._underline(upper, list(shown))
            _name(upper, [classes[label] for label in shown], (self.edges[0], self.edges[-1]))
            left_out = len(classes) - len(shown)
            words = quantity(left_out, "less probable class", "less probable classes")
            note = f"; {words} left out" if left_out else ""
            upper.set_title(_drawable(f"{title} (underlined: segments{note})"))
            bar = drawn.add_axes((1.01, upper.get_position().y0, 0.01, upper.get_position().height))
            drawn.colorbar(mesh, cax=bar, label="probability")
            bar.grid(False)
            self._thumbnails(drawn.add_axes((0, 0, 1, share)))

    def _underline(self, axes: Axes, shown: list[int]) -> None:
        for one in self.segments:
            if one.label in shown:
                y = shown.index(one.label) + 0.92
                axes.plot([one.start, one.end], [y, y], color=COLOURS[5], linewidth=2.5, solid_capstyle="butt")

    def _thumbnails(self, axes: Axes) -> None:
        """For each of equal parts of the time, the picture nearest to its middle."""
        start, part = self.edges[0], (self.edges[-1] - self.edges[0]) / THUMBNAILS
        for place in range(THUMBNAILS):
            middle = start + (place + 0.5) * part
            _, picture = min(self._pictures, key=lambda one: abs(one[0] - middle))
            axes.imshow(picture, extent=(place + 0.01, place + 0.99, 0, 1), aspect="auto")
        axes.set_xlim(0, THUMBNAILS)
        axes.set_axis_off()


def _name(axes: Axes, names: list[str], ends: tuple[float, float]) -> None:
    axes.grid(False)
    axes.set_xlim(*ends)
    axes.set_ylim(len(names), 0)
    axes.set_yticks(np.arange(len(names)) + 0.5, [_drawable(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock_of(seconds)))


def _drawable(text: str) -> str:
    """The text with bytes that are not UTF-8 escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def clock_of(seconds: float) -> str:
    """Hours, minutes and seconds as in a video player, with tenths if there are any."""
    tenths = round(seconds * 10)
    whole, tenth = divmod(tenths, 10)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{front}:{rest:02}" + (f".{tenth}" if tenth else "")

"""How every figure looks and is saved: off screen, in one style, the same bytes each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.grid": True,
    "grid.color": "0.92",
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called "cost$"
}
DPI = 150


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of `width` x `height` inches; saved at `path` as PNG, cut to what is drawn, when the block ends."""
    with style.context(["default", STYLE]):  # a user's matplotlibrc must not change the bytes
        made = Figure(figsize=(width, height), dpi=DPI)
        yield made
        made.savefig(path, format="png", bbox_inches="tight", pad_inches=0.15, metadata={"Software": None})

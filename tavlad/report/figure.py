"""Figures in one style, and the learning curves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from tavlad.report.results import STAGES, SplitResult

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
    """A figure of `width` x `height` inches, saved as PNG at `path`, cropped to its contents, when the block ends."""
    with style.context(["default", STYLE]):  # a user's matplotlibrc must not change the bytes
        made = Figure(figsize=(width, height), dpi=DPI)
        yield made
        made.savefig(path, format="png", bbox_inches="tight", pad_inches=0.15, metadata={"Software": None})


COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # distinguishable with colour blindness
TITLES = {"stage1": "stage 1: GRU and classifier, cached features", "stage2": "stage 2: end to end from layer 4"}


def draw_curves(results: Sequence[SplitResult], path: Path) -> None:
    """Write the learning curves of `results` at `path` (PNG): one column per stage, loss above accuracy."""
    with figure(path, 10, 6.5) as drawn:
        panels = drawn.subplots(2, 2, sharex="col", sharey="row", gridspec_kw={"hspace": 0.1, "wspace": 0.14})
        for (upper, lower), stage in zip(panels.T, STAGES, strict=True):
            upper.set_title(TITLES[stage])
            for number, result in enumerate(results):
                _draw(upper, lower, result, stage, number)
            chance = 1 / len(results[0].predictions[stage].classes)
            lower.axhline(chance, color="0.5", linewidth=1, linestyle=":")
            lower.set_xlabel("epoch")
            lower.set_ylim(0, 1.03)
            lower.xaxis.get_major_locator().set_params(integer=True)
        panels[0, 0].set_ylabel("training loss")
        panels[0, 0].set_ylim(bottom=0)
        panels[1, 0].set_ylabel("accuracy")
        _explain(panels[0, 1], panels[1, 1], results)


def _draw(upper: Axes, lower: Axes, result: SplitResult, stage: str, number: int) -> None:
    curve, colour = result.curves[stage], COLOURS[number % len(COLOURS)]
    epochs = curve["epoch"]
    upper.plot(epochs, curve["loss"], color=colour, marker=".", markersize=4, linewidth=1.4)
    lower.plot(epochs, curve["accuracy"], color=colour, marker=".", markersize=4, linewidth=1.4)
    if "validation" in curve:
        lower.plot(epochs, curve["validation"], color=colour, linewidth=1.2, linestyle="--")
    # side by side, to keep equal accuracies visible
    beside = offset_copy(lower.transData, x=(9 + 9 * number) * DPI / 72, units="dots")
    final = result.predictions[stage].top1
    last = epochs[-1] if len(epochs) else 0  # stage2.epochs: 0
    lower.plot(last, final, color=colour, marker="D", markersize=6, clip_on=False, transform=beside)


def _explain(upper: Axes, lower: Axes, results: Sequence[SplitResult]) -> None:
    splits = [Line2D([], [], color=COLOURS[i % len(COLOURS)], label=result.split) for i, result in enumerate(results)]
    upper.legend(handles=splits, loc="upper right")
    kinds = [
        Line2D([], [], color="0.4", marker=".", markersize=4, label="training, epoch by epoch"),
        Line2D([], [], color="0.4", marker="D", markersize=6, linestyle="", label="held-out clips, final model"),
        Line2D([], [], color="0.5", linewidth=1, linestyle=":", label="chance"),
    ]
    if any("validation" in curve for result in results for curve in result.curves.values()):
        kinds.insert(1, Line2D([], [], color="0.4", linestyle="--", label="validation"))
    lower.legend(handles=kinds, loc="lower right", bbox_to_anchor=(1, 0.14), fontsize=9)

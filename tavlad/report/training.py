"""How a training ended, in one line."""

from pathlib import Path

from tavlad.learning.outcome import read_curve


def describe(folder: Path) -> str:
    """One line on the training whose curve.csv lies in `folder`."""
    curve = read_curve(folder)
    if not curve:
        return "0 epochs: as stage 1 left it"
    last = curve[-1]
    line = f"{len(curve)} epochs, training loss {last['loss']:.3f}, training accuracy {last['accuracy']:.3f}"
    best = max((row["validation"] for row in curve if "validation" in row), default=None)
    return line if best is None else f"{line}, best validation accuracy {best:.3f}"

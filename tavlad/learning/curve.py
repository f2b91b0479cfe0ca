"""The learning curve of a training, one row per epoch, as curve.csv."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Row = dict[str, float]  # one epoch
Curve = dict[str, np.ndarray]  # column of curve.csv -> values float64 (epochs)


def write_curve(folder: Path, curve: Sequence[Row]) -> None:
    """Write curve.csv to `folder`."""
    with open(folder / "curve.csv", "w", newline="") as file:
        columns = curve[0] if curve else ("loss", "accuracy", "lr")
        writer = csv.DictWriter(file, ["epoch", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(curve, start=1))


def read_curve(folder: Path) -> Curve:
    """The columns of curve.csv in `folder`: epoch, loss, accuracy, lr, and validation if there was one.

    They are empty after a stage 2 of 0 epochs.
    """
    with open(folder / "curve.csv", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    return {name: np.array([float(row[name]) for row in rows]) for name in reader.fieldnames or ()}

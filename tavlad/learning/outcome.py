"""What a training leaves behind: model.safetensors and curve.csv, one folder of the work store."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.learning.resuming import Row
from tavlad.making import Place
from tavlad.model.tavlad import TAVLAD


def finish(place: Place, model: TAVLAD, facts: Facts, curve: Sequence[Row]) -> None:
    """Write the trained model and its learning curve to the folder `place`."""
    place.path.mkdir()
    save_checkpoint(place.path / "model.safetensors", model, facts)
    with open(place.path / "curve.csv", "w", newline="") as file:
        columns = curve[0] if curve else ("loss", "accuracy", "lr")
        writer = csv.DictWriter(file, ["epoch", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(curve, start=1))


def read_curve(folder: Path) -> list[Row]:
    """The learning curve of a finished training, a row an epoch."""
    with open(folder / "curve.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

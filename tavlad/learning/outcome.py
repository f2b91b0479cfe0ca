"""What a training leaves behind: model.safetensors and curve.csv, one folder of the work store."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.learning.resuming import Row
from tavlad.model.tavlad import TAVLAD
from tavlad.store import Store


def finish(store: Store, stage: str, model: TAVLAD, facts: Facts, curve: Sequence[Row]) -> None:
    """Put the trained model and its learning curve into the store, under the recipe that `facts` names."""
    with store.create(stage, facts.recipe) as aside:
        aside.mkdir()
        save_checkpoint(aside / "model.safetensors", model, facts)
        with open(aside / "curve.csv", "w", newline="") as file:
            columns = curve[0] if curve else ("loss", "accuracy", "lr")
            writer = csv.DictWriter(file, ["epoch", *columns], lineterminator="\n")
            writer.writeheader()
            writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(curve, start=1))


def read_curve(folder: Path) -> list[Row]:
    """The learning curve of a finished training, a row an epoch."""
    with open(folder / "curve.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def describe(folder: Path) -> str:
    """One line on how a training ended."""
    curve = read_curve(folder)
    if not curve:
        return "0 epochs: as stage 1 left it"
    last = curve[-1]
    line = f"{len(curve)} epochs, training loss {last['loss']:.3f}, training accuracy {last['accuracy']:.3f}"
    best = max((row["validation"] for row in curve if "validation" in row), default=None)
    return line if best is None else f"{line}, best validation accuracy {best:.3f}"

"""What both training stages share: the numbers of a training, and the line that says how it ended."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from tavlad.data.table import Examples
from tavlad.params import Device, Precision, Section, Workers

if TYPE_CHECKING:
    from tavlad.report.card import Training


class TrainingSection(Section):
    """The keys of both sections, and the top-level keys that every training takes; `clip` 0 clips no gradient."""

    lr: PositiveFloat
    halve_every: PositiveInt
    batch: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    clip: NonNegativeFloat
    eps: PositiveFloat
    weight_decay: NonNegativeFloat
    class_weights: Literal["none", "balanced"]
    seed: NonNegativeInt
    device: Device
    workers: Workers
    precision: Precision
    deterministic: bool

    def described(self, stage: str, training: Examples, validation: Examples, source: str) -> "Training":
        """What the model card of `stage` says of these clips and numbers, and of the backbone's `source`."""
        from tavlad.report.card import Training

        numbers = self.model_dump(exclude=set(self.silent))
        return Training(stage, len(training.ids), len(validation.ids), source, numbers)


def describe(folder: Path) -> str:
    """One line on the training whose curve.csv lies in `folder`."""
    from tavlad.learning.curve import read_curve

    curve = read_curve(folder)
    epochs = len(curve["epoch"])
    if not epochs:
        return "0 epochs: as stage 1 left it"
    line = f"{epochs} epochs, training loss {curve['loss'][-1]:.3f}, training accuracy {curve['accuracy'][-1]:.3f}"
    return line + (f", best validation accuracy {curve['validation'].max():.3f}" if "validation" in curve else "")

"""What both training stages share: training parameters, processes, and the closing line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from tavlad import console
from tavlad.data.table import Examples
from tavlad.params import Device, Precision, Processes, Section, Workers
from tavlad.store.making import publish
from tavlad.store.store import Store

if TYPE_CHECKING:
    from tavlad.device import Speed
    from tavlad.report.card import Training

SPEED = ("device", "workers", "processes")  # they affect no values except for the rounding of sums


class TrainingSection(Section):
    """The keys of both sections, and the top-level keys of every training; `clip` 0 disables gradient clipping."""

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
    processes: Processes
    precision: Precision
    deterministic: bool

    def described(self, stage: str, training: Examples, validation: Examples, source: str) -> "Training":
        """The contents of the model card of `stage`, for these clips and parameters, and the backbone's `source`."""
        from tavlad.report.card import Training

        numbers = self.model_dump(exclude=set(self.silent))
        return Training(stage, len(training.ids), len(validation.ids), source, numbers)


def start(params: TrainingSection, stage: str, label: str) -> "Speed":
    """The device and workers of this process; if parameter `processes` asks for several, runs them and exits here."""
    from tavlad import device as devices
    from tavlad.learning import launching

    device = launching.own_device(devices.choose(params.device))
    if (processes := launching.launch_for(params.processes, device)) > 1:
        launching.launch(processes, f"pipeline.{stage}", sys.argv[1:])
        raise SystemExit
    return devices.Speed(device, -(-params.workers // launching.processes_here()), label)


def train(stage: str, make: Callable[..., None], wanted: Any, speed: "Speed", card: "Training", output: Path) -> None:
    """Compute `wanted` or find it in the store; process 0 publishes it, with its `card`, to `output`."""
    from tavlad.errors import gpu_explained
    from tavlad.learning import launching
    from tavlad.learning.processes import rank
    from tavlad.report.card import write_card

    memory = {"stage1": "stage1.batch", "stage2": "stage2.micro_batch"}[stage]
    with gpu_explained(memory), launching.joined(speed.device) as group:
        if rank():
            launching.help_make(make, wanted, speed, group)
            return
        store = Store.open()
        with store.output(speed.label, output):
            result = launching.made_together(store, stage, make, wanted, speed, group)
            publish(result.path, output)
            write_card(output, card)
    store.record(speed.label, {"seconds": result.seconds, "key": result.key, "new": result.new})
    console.done(f"{speed.label}: {describe(output)}")


def describe(folder: Path) -> str:
    """One line on the training with its curve.csv in `folder`."""
    from tavlad.learning.curve import read_curve

    curve = read_curve(folder)
    epochs = len(curve["epoch"])
    if not epochs:
        return "0 epochs: unchanged from stage 1"
    line = f"{console.quantity(epochs, 'epoch')}, training loss {curve['loss'][-1]:.3f}"
    line += f", training accuracy {curve['accuracy'][-1]:.3f}"
    return line + (f", best validation accuracy {curve['validation'].max():.3f}" if "validation" in curve else "")

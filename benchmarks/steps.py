"""One epoch of each training stage, timed without the start-up before the first step."""

import time
from dataclasses import replace

import torch

from benchmarks.place import Workplace, quiet
from tavlad.data.table import Examples
from tavlad.device import Speed
from tavlad.learning import stage1, stage2
from tavlad.learning.checkpoints import EpochState, Named, Progress
from tavlad.model.tavlad import TAVLAD
from tavlad.store.inputs import Input, Inputs

NONE = Examples((), ())


class Laps(EpochState):
    """An `EpochState` that saves nothing and records the time of each epoch."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def load(self, named: Named, optimiser: torch.optim.Adam) -> Progress:
        """Start the first epoch; there is nothing to resume from."""
        self.times.append(time.perf_counter())
        return Progress()

    def save(self, progress: Progress, named: Named, optimiser: torch.optim.Adam) -> None:
        """Record the end of an epoch."""
        self.times.append(time.perf_counter())

    @property
    def last(self) -> float:
        """The seconds of the last epoch."""
        return self.times[-1] - self.times[-2]


def train_stage1(place: Workplace) -> float:
    """The seconds of one epoch."""
    numbers, laps = place.stage1, Laps()
    model = TAVLAD.from_checkpoint(place.folder)
    model.backbone = None
    wanted = stage1.Stage1(
        place.examples(place.sizes.trained),
        NONE,
        (),
        maps=Inputs(place.maps, ()),
        backbone=Input(place.backbone, ""),
        codebook=Input(place.folder, ""),
        model=numbers.model(place.sizes.classes, model.settings.network),
        schedule=replace(numbers.schedule(), epochs=2),
        batch=numbers.batch,
        seed=1,
        precision=place.precision,
        precision_parameter="auto",
        deterministic=True,
    )
    with quiet():
        stage1.train_stage1(model, wanted, Speed(place.device, place.cores, "benchmark"), laps)
    return laps.last


def train_stage2(place: Workplace) -> float:
    """The seconds of one epoch, which has one step."""
    numbers, laps = place.stage2, Laps()
    wanted = stage2.Stage2(
        place.examples(place.sizes.tuned),
        NONE,
        frames=Inputs(place.frames, ()),
        backbone=Input(place.backbone, ""),
        stage1=Input(place.folder, ""),
        parts=tuple(numbers.train),
        schedule=replace(numbers.schedule(), epochs=2),
        batch=numbers.batch,
        crop=numbers.crop,
        augment=numbers.augment,
        dropout=numbers.dropout,
        seed=1,
        precision=place.precision,
        precision_parameter="auto",
        deterministic=True,
    )
    with quiet():
        stage2.train_stage2(
            TAVLAD.from_checkpoint(place.folder), wanted, Speed(place.device, place.cores, "benchmark"), laps
        )
    return laps.last

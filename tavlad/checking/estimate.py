"""Estimates the time and disk space of a whole data set from the measured cost per clip and the parameters."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tavlad.console import quantity
from tavlad.learning.checkpoints import EpochState, Named, Progress
from tavlad.params import read_yaml

if TYPE_CHECKING:  # the wheel contains no pipeline: `tavlad predict` must start without it
    from pipeline import backbone, codebook, dataset, decode, extract, index, stage1, stage2
from tavlad.data.table import Examples, Split
from tavlad.errors import InputError

GPU_STEPS = 8  # timed together, at least: on a GPU, reading overlaps with computing, which a single step does not show
AHEAD = 2  # batches prefetched by each loader process


@dataclass(frozen=True)
class Cost:
    """Seconds per clip of each stage (per epoch in training), and bytes per clip; `maps` is before compression."""

    decode: float
    extract: float
    stage1: float
    stage2: float
    evaluate: float
    frames: float
    maps: float


@dataclass(frozen=True)
class Settings:
    """The sections of ./params.yaml, each validated by its stage."""

    dataset: "dataset.Dataset"
    index: "index.Parameters"
    decode: "decode.Parameters"
    backbone: "backbone.Parameters"
    extract: "extract.Parameters"
    codebook: "codebook.Parameters"
    stage1: "stage1.Parameters"
    stage2: "stage2.Parameters"

    @classmethod
    def load(cls) -> "Settings":
        """Read and validate ./params.yaml with the code in ./pipeline; raises `InputError`, also in a wrong folder."""
        read_yaml("params.yaml")  # in a wrong folder, its error is clearer than that of the import below
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)  # as with `python -m`; console scripts lack it
        try:
            from pipeline import backbone, check, codebook, dataset, decode, extract, index, stage1, stage2
        except ModuleNotFoundError as error:
            if error.name != "pipeline":
                raise
            raise InputError("pipeline/ is missing: run from the folder that holds dvc.yaml.") from None
        check.check_params()
        first = stage1.Parameters.load()
        return cls(
            dataset.Dataset.load(),
            index.Parameters.load(),
            decode.Parameters.load(),
            backbone.Parameters.load(),
            extract.Parameters.load(),
            codebook.Parameters.load(),
            first,
            stage2.Parameters.load(),
        )


class Stopwatch(EpochState):
    """An `EpochState` that saves nothing and times the steps that follow the first `untimed` ones.

    The first step is a warm-up; batches prefetched during it are consumed before the clock starts.
    """

    def __init__(self, device: torch.device, workers: int):
        gpu = device.type == "cuda"
        self.device, self.untimed = device, 1 + AHEAD * workers if gpu else 1
        self.timed = max(GPU_STEPS, AHEAD * workers) if gpu else 1
        self.steps, self.times = 0, list[float]()

    def examples(self, ids: Sequence[str], batch: int, classes: int) -> Examples:
        """One epoch of all steps, `batch` clips each, which repeats the clips `ids`."""
        count = batch * (self.untimed + self.timed)
        return Examples(tuple(ids[i % len(ids)] for i in range(count)), tuple(i % classes for i in range(count)))

    def load(self, named: Named, optimiser: torch.optim.Adam) -> Progress:
        """Start the epoch; there is nothing to resume from."""
        optimiser.register_step_post_hook(self._count)
        return Progress()

    def save(self, progress: Progress, named: Named, optimiser: torch.optim.Adam) -> None:
        """Save nothing."""

    def seconds(self, batch: int) -> float:
        """Seconds per clip."""
        return (self.times[1] - self.times[0]) / (self.timed * batch)

    def _count(self, *_: object) -> None:
        self.steps += 1
        if self.steps in (self.untimed, self.untimed + self.timed):
            self.times.append(clock(self.device))


def clock(device: torch.device) -> float:
    """The time in seconds, after waiting for `device` to finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Work:
    """The amount of work: videos to decode, clips to extract, training and held-out clips over all splits.

    Reversals are clips that cost practically no decoding.
    """

    videos: int
    clips: int
    train: int
    test: int
    splits: int

    @classmethod
    def of(cls, videos: int, splits: list[Split], copies: int = 1) -> "Work":
        """The work for `videos`, each of which gives `copies` clips in `splits`."""
        return cls(
            videos,
            videos * copies,
            sum(len(one.train) for one in splits),
            sum(len(one.test) for one in splits),
            len(splits),
        )


@dataclass(frozen=True)
class Estimate:
    """The seconds of one stage, and the arithmetic behind them."""

    stage: str
    seconds: float
    arithmetic: str


def estimates(cost: Cost, work: Work, settings: Settings) -> list[Estimate]:
    """Extrapolate the time of each measured stage."""
    clips, videos = quantity(work.clips, "clip"), quantity(work.videos, "video")
    train, test = quantity(work.train, "training clip"), quantity(work.test, "held-out clip")
    of = f"of {quantity(work.splits, 'split')}"
    first, second = settings.stage1.epochs, settings.stage2.epochs
    epochs1, epochs2 = quantity(first, "epoch"), quantity(second, "epoch")
    return [
        Estimate("decode", cost.decode * work.videos, f"{cost.decode:.2g} s x {videos}"),
        Estimate("extract", cost.extract * work.clips, f"{cost.extract:.2g} s x {clips}"),
        Estimate("stage1", cost.stage1 * first * work.train, f"{cost.stage1:.2g} s x {epochs1} x {train} {of}"),
        Estimate("stage2", cost.stage2 * second * work.train, f"{cost.stage2:.2g} s x {epochs2} x {train} {of}"),
        Estimate("evaluate", cost.evaluate * work.test, f"{cost.evaluate:.2g} s x {test} {of}"),
    ]


def rough(seconds: float) -> str:
    """A duration in words, with two digits at most."""
    for unit, length, least in (("days", 86_400, 2), ("h", 3_600, 1.5), ("min", 60, 1)):
        if seconds >= least * length:
            value = seconds / length
            return f"about {value:.0f} {unit}" if value >= 10 else f"about {value:.2g} {unit}"
    return "under a minute"


def weight(size: float) -> str:
    """A number of bytes with a suitable unit."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= length:
            return f"{size / length:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"

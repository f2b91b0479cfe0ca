"""From a few passes by the clock, and the parameters of the stages, to the hours and gigabytes of a data set."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tavlad.learning.checkpoints import EpochState, Named, Progress
from tavlad.params import read_yaml

if TYPE_CHECKING:  # the wheel holds no pipeline: `tavlad predict` must start without it
    from pipeline import backbone, codebook, dataset, decode, extract, index, stage1, stage2
from tavlad.data.table import Examples, Split
from tavlad.errors import InputError

GPU_STEPS = 8  # at least, timed together: reading overlaps with computing there, which one step cannot show
AHEAD = 2  # batches that each process of a loader reads ahead


@dataclass(frozen=True)
class Cost:
    """Seconds a clip in each stage (in training: a clip and epoch), and bytes a clip; `maps` is before compression."""

    decode: float
    extract: float
    stage1: float
    stage2: float
    evaluate: float
    frames: float
    maps: float


@dataclass(frozen=True)
class Settings:
    """The sections of ./params.yaml, each checked by its stage."""

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
        """Read and check ./params.yaml by way of ./pipeline; an `InputError` says what is wrong, or where to run."""
        read_yaml("params.yaml")  # says so if this is the wrong folder, before an import does
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)  # as `python -m pipeline.decode` has it, which a console script has not
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
    """Stands in for the state of a training: times the steps that follow the first `untimed` ones, and keeps nothing.

    The first step warms up, and what processes read ahead meanwhile is used up before the clock starts.
    """

    def __init__(self, device: torch.device, workers: int):
        gpu = device.type == "cuda"
        self.device, self.untimed = device, 1 + AHEAD * workers if gpu else 1
        self.timed = max(GPU_STEPS, AHEAD * workers) if gpu else 1
        self.steps, self.times = 0, list[float]()

    def examples(self, ids: Sequence[str], batch: int, classes: int) -> Examples:
        """One epoch of all steps, `batch` clips each: the clips `ids` again and again."""
        count = batch * (self.untimed + self.timed)
        return Examples(tuple(ids[i % len(ids)] for i in range(count)), tuple(i % classes for i in range(count)))

    def load(self, named: Named, optimiser: torch.optim.Adam) -> Progress:
        """The epoch begins; there is nothing to resume from."""
        optimiser.register_step_post_hook(self._count)
        return Progress()

    def save(self, progress: Progress, named: Named, optimiser: torch.optim.Adam) -> None:
        """The epoch has ended."""

    def seconds(self, batch: int) -> float:
        """Seconds a clip."""
        return (self.times[1] - self.times[0]) / (self.timed * batch)

    def _count(self, *_: object) -> None:
        self.steps += 1
        if self.steps in (self.untimed, self.untimed + self.timed):
            self.times.append(clock(self.device))


def clock(device: torch.device) -> float:
    """The time in seconds, when `device` has computed all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Work:
    """How much there is to do: videos to decode, clips to extract, and how many train and are held out in all splits.

    A clip that is a video's reversal costs no decoding worth counting.
    """

    videos: int
    clips: int
    train: int
    test: int
    splits: int

    @classmethod
    def of(cls, videos: int, splits: list[Split], copies: int = 1) -> "Work":
        """The work that `videos` are, each `copies` clips in `splits`."""
        return cls(
            videos,
            videos * copies,
            sum(len(one.train) for one in splits),
            sum(len(one.test) for one in splits),
            len(splits),
        )


@dataclass(frozen=True)
class Estimate:
    """One stage's seconds, and what they were extrapolated from."""

    stage: str
    seconds: float
    arithmetic: str


def estimates(cost: Cost, work: Work, settings: Settings) -> list[Estimate]:
    """The time of each stage that was measured."""
    clips, train, test = f"{work.clips:,} clips", f"{work.train:,} training clips", f"{work.test:,} held-out clips"
    first, second, of = settings.stage1.epochs, settings.stage2.epochs, f"of {work.splits} splits"
    return [
        Estimate("decode", cost.decode * work.videos, f"{cost.decode:.2g} s x {work.videos:,} videos"),
        Estimate("extract", cost.extract * work.clips, f"{cost.extract:.2g} s x {clips}"),
        Estimate("stage1", cost.stage1 * first * work.train, f"{cost.stage1:.2g} s x {first} epochs x {train} {of}"),
        Estimate("stage2", cost.stage2 * second * work.train, f"{cost.stage2:.2g} s x {second} epochs x {train} {of}"),
        Estimate("evaluate", cost.evaluate * work.test, f"{cost.evaluate:.2g} s x {test} {of}"),
    ]


def rough(seconds: float) -> str:
    """A time as one says it: two digits at most."""
    for unit, length, least in (("days", 86_400, 2), ("h", 3_600, 1.5), ("min", 60, 1)):
        if seconds >= least * length:
            value = seconds / length
            return f"about {value:.0f} {unit}" if value >= 10 else f"about {value:.2g} {unit}"
    return "under a minute"


def weight(size: float) -> str:
    """Bytes with the unit that suits them."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= length:
            return f"{size / length:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"

"""From the cost of a clip, and the parameters of the stages, to the hours and gigabytes of a data set."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tavlad.params import read_yaml

if TYPE_CHECKING:  # the wheel holds no pipeline: `tavlad predict` must start without it
    from pipeline import codebook, dataset, decode, extract, index, stage1, stage2
from tavlad.data.table import Split
from tavlad.errors import InputError


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
            from pipeline import check, codebook, dataset, decode, extract, index, stage1, stage2
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
            extract.Parameters.load(),
            codebook.Parameters.load(),
            first,
            stage2.Parameters.load(),
        )


@dataclass(frozen=True)
class Work:
    """How much there is to do: clips to decode and extract, and how many train and are held out, over all splits."""

    clips: int
    train: int
    test: int
    splits: int

    @classmethod
    def of(cls, clips: int, splits: list[Split]) -> "Work":
        """The work that `clips` clips in `splits` are."""
        return cls(clips, sum(len(one.train) for one in splits), sum(len(one.test) for one in splits), len(splits))


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
        Estimate("decode", cost.decode * work.clips, f"{cost.decode:.2g} s x {clips}"),
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

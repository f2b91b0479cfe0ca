"""A corpus of damaged and odd files, determined by a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator

from tests.faults import damage, hostile, odd_videos
from tests.faults.source_videos import Source

Expect = Literal["these", "as many", "as the source", "a reason", "an end", "either"]
SAMPLED = 0.1  # share of damaged files that are made from sample videos, which are larger than the painted ones
WRONG_SUFFIXES = ("avi", "mp4", "mkv", "mpg", "ts", "mov", "txt", "jpg", "mp3", "m3u8", "wav", "")
COPIES = ("duplicate", "wrong_suffix")
EXHAUSTING = {"bomb": 40, "endless": 600}  # one file in so many, because each runs until it is stopped


@dataclass(frozen=True)
class Case:
    """A file of the corpus, and the expected outcome.

    `expect` is frames that show exactly `shows` ("these") or as many frames, the same frames as from `source`, a reason
    why it is not a video ("a reason"), a reason or a stop ("an end"), or a reason, a stop, or as many frames as PyAV
    ("either").
    """

    path: Path
    kind: str
    expect: Expect
    shows: tuple[int, ...] = ()
    source: Source | None = None


def corpus(folder: Path, size: int, seed: int, sources: list[Source]) -> list[Case]:
    """`size` files in `folder`: about equally many of each kind, and four times as many of the damaged ones."""
    makers = {kind: _odd(maker) for kind, maker in odd_videos.ODD.items()}
    makers |= {kind: _hostile(maker, "a reason") for kind, maker in hostile.HOSTILE.items()}
    makers |= {kind: _copy(kind, sources) for kind in COPIES}
    few = [kind for kind, share in EXHAUSTING.items() for _ in range(-(-size // share))]
    damages = {kind: _damaged(damaging, sources) for kind, damaging in damage.ANY.items()}
    told = [source for source in sources if source.path.suffix in (".avi", ".mp4", ".mov")]
    damages |= {kind: _damaged(damaging, told) for kind, damaging in damage.AVI_AND_MP4.items()}
    makers |= damages | {kind: _hostile(hostile.EXHAUSTING[kind], "an end") for kind in EXHAUSTING}
    order = [kind for kind in makers if kind not in EXHAUSTING] + 3 * list(damages)
    kinds = few + list(islice(cycle(order), size - len(few)))
    cases = []
    for number, kind in enumerate(kinds):
        place = folder / kind / f"{number:05}"
        place.mkdir(parents=True)
        cases.append(makers[kind](place, np.random.default_rng((seed, number))))
    return cases


def _odd(maker: odd_videos.Maker) -> Callable[[Path, Generator], Case]:
    def make(place: Path, rng: Generator) -> Case:
        path, shows = maker(place, rng)
        return Case(path, place.parent.name, "as many" if maker is odd_videos.small else "these", tuple(shows))

    return make


def _hostile(maker: hostile.Maker, expect: Expect) -> Callable[[Path, Generator], Case]:
    return lambda place, rng: Case(maker(place, rng), place.parent.name, expect)


def _copy(kind: str, sources: list[Source]) -> Callable[[Path, Generator], Case]:
    """A copy of a video under another name, with its own or a wrong suffix."""
    # A raw stream is recognised by its suffix only.
    named = [source for source in sources if source.path.suffix not in (".h264", ".mjpeg")]

    def make(place: Path, rng: Generator) -> Case:
        source = _one_of(rng, named)
        suffix = source.path.suffix if kind == "duplicate" else f".{_one_of(rng, WRONG_SUFFIXES)}".rstrip(".")
        path = place / f"film{suffix}"
        path.write_bytes(source.path.read_bytes())
        # FFmpeg trusts an image suffix more than the first bytes of an MPEG stream, and images are not videos
        expect: Expect = "either" if suffix == ".jpg" else "as the source"
        return Case(path, kind, expect, source=source)

    return make


def _damaged(damaging: damage.Damage, sources: list[Source]) -> Callable[[Path, Generator], Case]:
    painted = [source for source in sources if source.painted]
    others = [source for source in sources if not source.painted]

    def make(place: Path, rng: Generator) -> Case:
        source = _one_of(rng, others if rng.random() < SAMPLED else painted)
        path = place / f"film{source.path.suffix}"
        path.write_bytes(damaging(source.path.read_bytes(), rng))
        return Case(path, place.parent.name, "either", source=source)

    return make


def _one_of(rng: Generator, choices):
    return choices[rng.integers(len(choices))]

"""What a result is made from: files, each beside the digest of what it holds, and random numbers, each for one use."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PLACE = {"place": True}  # tavlad.store.recipes leaves such a field out


@dataclass(frozen=True)
class Input:
    """A file that is read, and the digest of what it holds; where it lies decides nothing."""

    path: Path = field(metadata=PLACE)
    digest: str


@dataclass(frozen=True)
class Inputs:
    """The files `<folder>/<clip id>.h5` of some clips, in this order, each with the digest of what it holds."""

    folder: Path = field(metadata=PLACE)
    digests: tuple[tuple[str, str], ...]

    @property
    def clips(self) -> tuple[str, ...]:
        """The clip ids."""
        return tuple(clip for clip, _ in self.digests)

    def file(self, clip: str) -> Path:
        """The file of a clip."""
        return self.folder / f"{clip}.h5"


def rng_for(seed: int, clip_id: str, turn: int) -> np.random.Generator:
    """A generator that depends on these three alone (`turn`: a view or an epoch), never on order or on other clips."""
    name = hashlib.sha256(f"{seed}\n{turn}\n{clip_id}".encode(errors="surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(name, "big"))

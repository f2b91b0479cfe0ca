"""Inputs of a result: files with the digests of their contents, and random generators, one per use."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PLACE = {"place": True}  # tavlad.store.recipes ignores fields with this metadata


@dataclass(frozen=True)
class Input:
    """A file to read and the digest of its contents; its path is not part of a key."""

    path: Path = field(metadata=PLACE)
    digest: str


@dataclass(frozen=True)
class Inputs:
    """The files `<folder>/<clip id>.h5` of some clips, in order, each with the digest of its contents."""

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
    """A generator seeded by these three values only (`turn`: view or epoch), not by order or by other clips."""
    name = hashlib.sha256(f"{seed}\n{turn}\n{clip_id}".encode(errors="surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(name, "big"))

"""The reversal of a clip: the stored frames of its original, last to first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tavlad.store.hdf5 import created, opened_hdf5
from tavlad.store.inputs import Input
from tavlad.store.making import Place
from tavlad.video.frames import ARRAYS, read_frames_file


@dataclass(frozen=True)
class Original:
    """The id of a reversal, and the frame file of its original."""

    reversal: str
    file: Input


def make_reversals(
    arguments: None, places: Iterator[tuple[Place, Original]], speed: None
) -> Iterator[tuple[Place, str]]:
    """Fill each place with the reversed frames of its original; yields each place and why it was not filled, or ""."""
    for place, original in places:
        reason = ""
        try:
            write_reversal(original.file.path, place.path, original.reversal, place.key)
        except ValueError as error:
            reason = str(error)
        yield place, reason


def write_reversal(original: Path, output: Path, clip_id: str, recipe: str) -> None:
    """Write the frame file of clip `clip_id` to `output`: the JPEGs of `original`, unchanged, in reverse order.

    `indices` and `pts` remain those of the frames in the video, so they decrease. ValueError if `original` is damaged.
    """
    jpegs = read_frames_file(original, _as_they_are)[::-1].tolist()
    data = np.frombuffer(b"".join(jpegs), np.uint8)
    with opened_hdf5(original) as file, created(output) as made:
        made.create_dataset("jpeg", data=data, chunks=data.shape, fletcher32=True)
        made.create_dataset("offsets", data=np.cumsum([0, *map(len, jpegs)], dtype=np.int64))
        for name in ARRAYS:
            made.create_dataset(name, data=file[name][()][::-1])
        for name, value in {**file.attrs, "clip": clip_id, "recipe": recipe}.items():
            made.attrs[name] = value


def _as_they_are(jpegs: Iterable[bytes]) -> np.ndarray:
    return np.array([*jpegs], dtype=object)

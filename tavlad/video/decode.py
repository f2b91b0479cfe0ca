"""From a video file to its file of frames; its imports decide what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tavlad.store.inputs import Input
from tavlad.video.frames import write_frames
from tavlad.video.reader import read_clip
from tavlad.video.workers import Failure, supervise

if TYPE_CHECKING:  # workers import this module, and need not wait for the store
    from tavlad.store.making import Place


@dataclass(frozen=True)
class Sampling:
    """How many frames are taken of a clip, their short side in pixels, and how well they are compressed (1 to 100)."""

    frames: int
    short_side: int
    jpeg_quality: int


@dataclass(frozen=True)
class Video:
    """A clip's id, and its file."""

    clip: str
    file: Input


@dataclass(frozen=True)
class Limits:
    """What a clip may cost, and how many are decoded at once (at least one)."""

    workers: int
    deadline: float  # seconds
    megabytes: int


def make_frames(
    sampling: Sampling, places: Iterator[tuple["Place", Video]], limits: Limits
) -> Iterator[tuple["Place", str]]:
    """Fill each place with the frames of its video, in supervised workers; each place, and why it was not filled."""
    sizes = sampling.frames, sampling.short_side, sampling.jpeg_quality
    waiting: dict[str, Place] = {}

    def jobs() -> Iterator[tuple[str, str, str, int, int, int, str]]:
        for place, video in places:
            waiting[place.key] = place
            yield str(video.file.path), str(place.path), video.clip, *sizes, place.key

    for job, outcome in supervise(decode_clip, jobs(), limits.workers, limits.deadline, limits.megabytes):
        yield waiting.pop(job[-1]), outcome.reason if isinstance(outcome, Failure) else ""


def decode_clip(
    video: str, output: str, clip_id: str, count: int, short_side: int, jpeg_quality: int, recipe: str
) -> None:
    """Write `count` frames of the file `video` to a new frame file at `output`; raises BadVideo."""
    write_frames(Path(output), clip_id, read_clip(video, count, short_side), jpeg_quality, recipe)

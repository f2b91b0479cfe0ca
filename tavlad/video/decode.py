"""From a video file to its frame files; the code that this module imports is in their keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tavlad.store.inputs import Input
from tavlad.store.recipes import file_digest
from tavlad.video.cutting import read_segments
from tavlad.video.frames import DecodedClip, to_jpeg, write_frames, write_jpegs
from tavlad.video.reader import read_clip
from tavlad.video.timing import Span
from tavlad.video.workers import Failure, Supervised, supervise

if TYPE_CHECKING:  # keeps the store out of the workers' start-up
    from tavlad.store.making import Place


@dataclass(frozen=True)
class Sampling:
    """The number of frames per clip, their short side in pixels, and their JPEG quality (1 to 100)."""

    frames: int
    short_side: int
    jpeg_quality: int


@dataclass(frozen=True)
class Video:
    """A clip's id, its file, and the span of a segment, None for the whole file."""

    clip: str
    file: Input
    span: Span | None = None


@dataclass(frozen=True)
class Limits:
    """Limits on time and memory per clip, and the number of workers (at least one)."""

    workers: int
    deadline: float  # seconds; in a file with segments, per 1,000 frames
    megabytes: int


class Wanted(NamedTuple):
    """A clip to decode: its id, its span in ms (None: the whole file), the file to write, its recipe."""

    clip: str
    times: tuple[int, int] | None
    output: str
    recipe: str


Job = tuple[str, list[Wanted], int, int, int]  # arguments of `decode_file`: plain values, to send to any process


def make_frames(
    sampling: Sampling, places: Iterator[tuple["Place", Video]], limits: Limits
) -> Iterator[tuple["Place", str]]:
    """Decode into each place in supervised workers; yields each place and why it was not filled, or "".

    Consecutive segments of a file form one job, and so does each whole video.
    """
    waiting: dict[str, Place] = {}

    def jobs() -> Iterator[Job]:
        for _, group in groupby(places, lambda item: Decoder.job_of(item[1])):
            wanted = list(group)
            waiting.update((place.key, place) for place, _ in wanted)
            yield _job(sampling, [(place.path, place.key, video) for place, video in wanted])

    for (_, wanted, *_), outcome in supervise(decode_file, jobs(), limits.workers, limits.deadline, limits.megabytes):
        for one, reason in zip(wanted, _reasons(outcome, len(wanted)), strict=True):
            yield waiting.pop(one.recipe), reason


def decode_file(
    video: str, wanted: Sequence[Sequence[Any]], count: int, short_side: int, jpeg_quality: int
) -> list[str]:
    """Write the frame file of each `Wanted` clip of the file `video`; returns why each was not written, or "".

    The clips are segments, decoded in one pass, or one whole video. Raises BadVideo for errors that affect all clips.
    """
    clips = [Wanted(*one) for one in wanted]
    spans = [Span(*one.times) for one in clips if one.times]
    if not spans:
        (one,) = clips
        decode_clip(video, one.output, one.clip, count, short_side, jpeg_quality, one.recipe)
        return [""]
    done: dict[int, tuple[dict[str, Any], list[int]]] = {}

    def take(number: int, clip: DecodedClip) -> None:
        jpegs = to_jpeg(clip.frames, jpeg_quality)
        Path(f"{clips[number].output}.jpegs").write_bytes(b"".join(jpegs))  # on disk: there may be any number
        done[number] = clip.facts() | {"jpeg_quality": jpeg_quality}, [len(jpeg) for jpeg in jpegs]

    decoded, failed = read_segments(video, spans, count, short_side, take)
    for number, (facts, lengths) in done.items():
        one = clips[number]
        packed = Path(f"{one.output}.jpegs").read_bytes()
        jpegs = [packed[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]
        write_jpegs(Path(one.output), one.clip, jpegs, facts | {"decoded_count": decoded}, one.recipe)
    return [failed.get(number, "") for number in range(len(clips))]


def _job(sampling: Sampling, wanted: Sequence[tuple[Path, str, Video]]) -> Job:
    """The arguments of `decode_file` for clips of one file, each given with the frame file to write and its key."""
    clips = [
        Wanted(video.clip, (video.span.start, video.span.end) if video.span else None, str(path), key)
        for path, key, video in wanted
    ]
    return str(wanted[0][2].file.path), clips, sampling.frames, sampling.short_side, sampling.jpeg_quality


def _reasons(outcome: Any, clips: int) -> list[str]:
    return [outcome.reason] * clips if isinstance(outcome, Failure) else list(outcome)


class Decoder:
    """A supervised process that decodes one clip after the other."""

    def __init__(self, sampling: Sampling, limits: Limits):
        self.sampling, self.process = sampling, Supervised(decode_file, limits.deadline, limits.megabytes)

    @staticmethod
    def digest_of(path: Path) -> str:
        """The digest of a video, as stage index records it."""
        return file_digest(path)

    @staticmethod
    def job_of(video: Video) -> tuple[Path, str]:
        """Equal for what one decoding pass makes: the segments of a file, or a whole video."""
        return video.file.path, "" if video.span else video.clip

    def fill(self, clips: Sequence[tuple[Path, str, Video]]) -> list[str]:
        """Write the frame files of the clips of one file; the reasons why they failed, or ""."""
        return _reasons(self.process.run(_job(self.sampling, clips)), len(clips))


def decode_clip(
    video: str, output: str, clip_id: str, count: int, short_side: int, jpeg_quality: int, recipe: str
) -> None:
    """Write `count` frames of the file `video` to a new frame file at `output`; raises BadVideo."""
    write_frames(Path(output), clip_id, read_clip(video, count, short_side), jpeg_quality, recipe)

"""A video of any length, decoded in one pass, part by part: each call is a short job of a supervised worker.

The worker keeps the file open between jobs. If it dies, the following jobs fail: nothing is decoded twice.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tavlad.video.batch import Tolerance
from tavlad.video.frames import to_jpeg
from tavlad.video.grid import grid_of, taken, with_ends
from tavlad.video.opening import BadVideo, aspect_of, counted_errors, explained, opened_video, promised
from tavlad.video.stream import Upright
from tavlad.video.timing import duration_of, rate_of, timed_frames

MOST = 1000  # frames decoded per part, even if few are sampled: progress is reported once per part
TRUST = Tolerance(min_frames=1, missing=0.1, damage=1.0)  # as the presets' `decode`


@dataclass(frozen=True)
class Part:
    """A part of a video: for each sampled frame the windows that take it (`takes`), and the length of its JPEG.

    The video is decoded up to `until` (seconds, as a fraction), or completely if `ended`; `doubt` is then why it cannot
    be trusted, or "". `rate` (a fraction) and `duration` (s; 0: unknown) come from the header.
    """

    takes: list[list[int]]
    lengths: list[int]
    until: str
    ended: bool
    doubt: str
    rate: str
    duration: float


_passes: dict[str, Iterator[tuple[Part, list[bytes]]]] = {}  # the decoding passes of this process, by video


def decode_part(
    video: str, file: str, number: int, window: float, stride: float, sizes: tuple[int, int, int]
) -> dict[str, Any]:
    """Write the JPEGs of the next part of `video` to `file`, and return the `Part` as a dictionary; raises BadVideo.

    `sizes` are the frames per window, their short side, and the JPEG quality. Part 0 starts a new pass.
    """
    if number == 0:
        _passes[video] = _parts(video, window, stride, *sizes)
    if video not in _passes:
        raise BadVideo(video, "the process that decoded the part before has ended")
    part, jpegs = next(_passes[video])
    Path(file).write_bytes(b"".join(jpegs))
    return asdict(part)


def _parts(
    video: str, window: float, stride: float, count: int, short_side: int, quality: int
) -> Iterator[tuple[Part, list[bytes]]]:
    """The parts of a video, each with the JPEGs of up to `count` frames; empty parts follow the last one."""
    with counted_errors() as errors, opened_video(video) as (container, stream):
        rate, seen, flags = rate_of(stream), 0, [0]
        upright = Upright(video, aspect_of(stream), short_side)
        header, about = promised(container, stream), (str(rate), duration_of(container, stream))
        grid = grid_of(window, stride, count, rate)
        takes: list[list[int]] = []
        jpegs: list[bytes] = []
        until, begun = Fraction(0), 0
        try:
            for until, frame, numbers in taken(with_ends(timed_frames(container, stream, rate, flags), rate), grid):
                seen += 1
                if numbers:
                    takes.append(numbers)
                    jpegs += to_jpeg(upright.of(frame)[None], quality)
                if len(jpegs) == count or seen - begun == MOST:
                    yield Part(takes, list(map(len, jpegs)), str(until), False, "", *about), jpegs
                    takes, jpegs, begun = [], [], seen
        except av.FFmpegError as error:
            raise explained(video, error, f"decoding fails after {seen} frames") from error
        doubt = TRUST.doubt(seen, header, errors() + flags[0]) or ""
    yield Part(takes, list(map(len, jpegs)), str(until), True, doubt, *about), jpegs
    while True:  # the caller requests one part ahead
        yield Part([], [], str(until), True, doubt, *about), []

"""Segments of a video file, of any length: all are decoded in one pass, and their frames are selected by time."""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from tavlad.data.times import in_seconds, to_milliseconds
from tavlad.video.frames import DecodedClip, indices
from tavlad.video.opening import BadVideo, aspect_of, counted_errors, explained, opened_video, promised
from tavlad.video.stream import Upright
from tavlad.video.timing import STEP, Span, packet_moments, rate_of, timed_frames
from tavlad.video.workers import renew_deadline

Take = Callable[[int, DecodedClip], None]


def read_segments(
    path: Path | str, spans: Sequence[Span], count: int, short_side: int, take: Take
) -> tuple[int, dict[int, str]]:
    """Call `take` with the number and `count` frames of each segment as soon as it ends; raises BadVideo.

    A segment's frames are those whose time, in milliseconds, is within its span; `indices` samples them, and the pixels
    are those of `read_clip`. `decoded_count` of a clip is 0, as the length of the file is not known yet. Returns that
    length, in frames, and by number why segments were not passed to `take`.
    """
    foreseen, _ = packet_moments(path)
    held = {number: _frames_in(span, foreseen) for number, span in enumerate(spans)}
    first = _Pass(path, count, short_side, take)
    first.run({number: (spans[number], frames) for number, frames in held.items()})
    if first.others:  # rare: the packets' times were not those of the decoded frames
        second = _Pass(path, count, short_side, take)
        second.run({number: (spans[number], frames) for number, frames in first.others.items()})
        if second.others or second.decoded != first.decoded:
            once = f"decodes to {first.decoded} frames once and to {second.decoded} the next time"
            raise BadVideo(path, once)
        first.failed |= second.failed
    return first.decoded, first.failed


def _frames_in(span: Span, moments: Sequence[int]) -> range:
    return range(bisect_left(moments, span.start), bisect_left(moments, span.end))


@dataclass(eq=False)
class _Cut:
    """A segment while its file is decoded: the frames expected from the packets, and those seen so far."""

    number: int
    span: Span
    expected: range
    wanted: list[int]
    upright: Upright | None = None
    first: VideoFrame | None = None  # the first sampled frame
    held: range = range(0)
    pixels: dict[int, np.ndarray] = field(default_factory=dict)
    pts: dict[int, float] = field(default_factory=dict)
    reason: str = ""

    def see(self, index: int, frame: VideoFrame) -> None:
        """Count the segment's next frame, and keep it if it is sampled."""
        self.held = range(self.held.start if self.held else index, index + 1)
        if index not in self.wanted or self.reason:
            return
        assert self.upright, "it is there from the first frame on"
        try:
            self.pixels[index] = self.upright.of(frame)
        except BadVideo as error:
            self.reason = error.reason
        except av.FFmpegError as error:
            failure = explained("", error, f"frame {index} of format {frame.format.name} cannot be scaled")
            if not isinstance(failure, BadVideo):
                raise
            self.reason = failure.reason
        self.pts[index] = math.nan if frame.time is None else float(frame.time)
        self.first = self.first or frame


class _Pass:
    """A decoding pass over a file: why segments `failed`, and the frames of those that had `others` than expected."""

    def __init__(self, path: Path | str, count: int, short_side: int, take: Take):
        self.path, self.count, self.short_side, self.take = path, count, short_side, take
        self.decoded = 0
        self.failed: dict[int, str] = {}
        self.others: dict[int, range] = {}

    def run(self, segments: Mapping[int, tuple[Span, range]]) -> None:
        """Decode the whole file for `segments`: by number, their spans and expected frames."""
        waiting = [self._cut(number, *segment) for number, segment in segments.items()]
        waiting.sort(key=lambda cut: cut.span.start, reverse=True)
        running: list[_Cut] = []
        with counted_errors() as errors, opened_video(self.path) as (container, stream):
            self.header = promised(container, stream)
            self.fps = float(stream.average_rate or stream.guessed_rate or 0)
            rate, flags, before, moment, stop = rate_of(stream), [0], (0, 0), 0, ""
            try:
                for time, frame in timed_frames(container, stream, rate, flags):
                    moment = to_milliseconds(time)
                    while waiting and waiting[-1].span.start <= moment:
                        running.append(waiting.pop())
                        running[-1].upright = Upright(self.path, aspect_of(stream), self.short_side)
                    for cut in [cut for cut in running if cut.span.end <= moment]:
                        running.remove(cut)
                        self._end(cut, before)
                    for cut in running:
                        cut.see(self.decoded, frame)
                    self.decoded, before = self.decoded + 1, (flags[0], errors())
                    if self.decoded % STEP == 0:
                        renew_deadline()
            except av.FFmpegError as error:
                failure = explained(self.path, error, f"decoding fails after {self.decoded} frames")
                if not isinstance(failure, BadVideo) or not self.decoded:
                    raise failure from error
                stop = failure.reason
            counted = flags[0], errors()
        if not self.decoded:
            raise BadVideo(self.path, "no frame decodes")
        for cut in (*running, *waiting):
            cut.reason = cut.reason or stop or cut.span.beyond(moment + to_milliseconds(1 / rate))
            self._end(cut, counted)

    def _cut(self, number: int, span: Span, expected: range) -> _Cut:
        wanted = [expected.start + index for index in indices(len(expected), self.count).tolist()] if expected else []
        return _Cut(number, span, expected, wanted)

    def _end(self, cut: _Cut, errors: tuple[int, int]) -> None:
        """Finish a segment; `errors` are the numbers flagged and concealed up to its end."""
        if not cut.reason and not cut.held:
            times = f"{in_seconds(cut.span.start)} and {in_seconds(cut.span.end)} s"
            cut.reason = f"no frame is displayed between {times}"
        if cut.reason:
            self.failed[cut.number] = cut.reason
        elif cut.held != cut.expected:
            self.others[cut.number] = cut.held
        else:
            self.take(cut.number, self._clip(cut, *errors))

    def _clip(self, cut: _Cut, corrupt: int, concealed: int) -> DecodedClip:
        assert cut.first, "a segment that holds frames has taken one"
        return DecodedClip(
            frames=np.stack([cut.pixels[index] for index in cut.wanted]),
            indices=cut.wanted,
            pts=[cut.pts[index] for index in cut.wanted],
            fps=self.fps,
            header_count=self.header,
            decoded_count=0,
            begin=cut.held.start,
            end=cut.held.stop,
            rotation=int(cut.first.rotation),
            width=cut.first.width,
            height=cut.first.height,
            interlaced=cut.first.interlaced_frame,
            corrupt=corrupt,
            concealed=concealed,
            pyav=av.__version__,
            ffmpeg=str(av.ffmpeg_version_info),
        )

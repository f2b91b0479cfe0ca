"""Display times of frames and the duration of a video, from the file's timestamps and header."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tavlad.data.times import in_seconds, to_milliseconds
from tavlad.video.grid import Clock
from tavlad.video.opening import counted_errors, opened_video
from tavlad.video.stream import RATES, USUAL_RATE
from tavlad.video.workers import renew_deadline

STEP = 1000  # frames or packets after which a job's deadline is renewed
SLACK = 1000  # milliseconds by which a segment may end after its video: people round up


@dataclass(frozen=True)
class Span:
    """The time interval [`start`, `end`) of a segment, in milliseconds after the first frame of its video."""

    start: int
    end: int

    def beyond(self, video_end: int) -> str:
        """Why the segment is not within a video that ends at `video_end` (ms), or ""."""
        if self.start < video_end and self.end <= video_end + SLACK:
            return ""
        there = f"{in_seconds(self.start)} to {in_seconds(self.end)} s"
        return f"{there} is beyond the end of the video, at {in_seconds(video_end)} s"


def timed_frames(
    container: InputContainer, stream: VideoStream, rate: Fraction, flags: list[int]
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Yield every frame with its time according to `Clock`; packets and frames flagged as damaged are counted in
    `flags[0]`."""
    clock = Clock(rate)
    for packet in container.demux(stream):
        flags[0] += packet.is_corrupt
        for frame in packet.decode():
            flags[0] += frame.is_corrupt
            tick = frame.time_base or Fraction(0)
            stamp = frame.pts * tick if frame.pts is not None and tick else None
            yield clock.time(stamp, tick), frame


def rate_of(stream: VideoStream) -> Fraction:
    """Frames per second: the first plausible one of the header's two rates, else 25."""
    rates = (stream.guessed_rate, stream.average_rate)
    return next((Fraction(rate) for rate in rates if rate and RATES[0] <= rate <= RATES[1]), USUAL_RATE)


def duration_of(container: InputContainer, stream: VideoStream) -> float:
    """The duration in seconds according to the header; 0 if unknown."""
    said = (stream.duration or 0) * (stream.time_base or 0), Fraction(container.duration or 0, av.time_base)
    return float(next(filter(lambda seconds: seconds > 0, said), 0))


def packet_moments(path: Path | str) -> tuple[list[int], int]:
    """The display time of each frame, and the end of the last (ms), from the packets alone; raises BadVideo.

    Nothing is decoded.
    """
    stamps: list[int | None] = []
    with counted_errors(), opened_video(path) as (container, stream):
        clock, tick = Clock(rate_of(stream)), stream.time_base
        try:
            for number, packet in enumerate(container.demux(stream)):
                if packet.size and not packet.is_discard:
                    stamps.append(packet.pts)
                if number % STEP == 0:
                    renew_deadline()
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise  # other errors are left for the decoder to report
    known = sorted(stamp for stamp in stamps if stamp is not None)
    if tick is None or len(known) < len(stamps):
        moments = [to_milliseconds(clock.time(None, 1 / clock.rate)) for _ in stamps]
    else:
        moments = [to_milliseconds(clock.time(stamp * tick, tick)) for stamp in known]
    return moments, to_milliseconds(clock.now + 1 / clock.rate)

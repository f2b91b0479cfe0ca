"""Streaming: every frame of a video, one at a time, and encoding frames to a video that users can watch; memory use
does not depend on the length."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from tavlad.video.opening import BadVideo, aspect_of, counted_errors, explained, opened_video
from tavlad.video.reader import LONGEST_SIDE, NO_SIZE_CHANGE, RESIZE, scaled_size, turned

RATES = (1, 240)  # frames per second; a rate outside this range is a broken header
USUAL_RATE = Fraction(25)


class Upright:
    """Converts the frames of one video to upright uint8 (H, W, 3), as `read_clip` does, all of the first one's size."""

    def __init__(self, path: Path | str, aspect: Fraction, short_side: int):
        self.path, self.aspect, self.short_side = path, aspect, short_side
        self.scaler = VideoReformatter()
        self.size: tuple[int, int] | None = None
        self.shape: tuple[int, ...] | None = None

    def of(self, frame: VideoFrame) -> np.ndarray:
        """The frame's pixels; BadVideo if its shape differs from that of the first."""
        own = scaled_size(frame, self.aspect, self.short_side)
        self.size = self.size or own
        if max(abs(own[0] - self.size[0]), abs(own[1] - self.size[1])) > NO_SIZE_CHANGE:
            raise BadVideo(self.path, f"the frame size changes midway, to {frame.width}x{frame.height}")
        if max(self.size) > LONGEST_SIDE:
            raise BadVideo(
                self.path, f"its frames would become {self.size[0]}x{self.size[1]}, too large for the scaler"
            )
        scaled = self.scaler.reformat(frame, *self.size, "rgb24", interpolation=RESIZE, threads=1)
        upright = turned(scaled.to_ndarray(), frame)
        self.shape = self.shape or upright.shape
        if upright.shape != self.shape:
            raise BadVideo(self.path, "the rotation changes midway")
        return upright


def stream_frames(path: Path | str, short_side: int) -> Iterator[np.ndarray]:
    """Yield every frame of a video, uint8 (H, W, 3), with the same pixels as `read_clip`.

    All have the size of the first frame. Raises BadVideo as soon as decoding fails.
    """
    with counted_errors(), opened_video(path) as (container, stream):
        upright = Upright(path, aspect_of(stream), short_side)
        try:
            for frame in container.decode(stream):
                yield upright.of(frame)
        except av.FFmpegError as error:
            raise explained(path, error, "decoding fails") from error


def write_stream(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Encode RGB frames uint8 (H, W, 3), of one even size, as H.264, or as MPEG-4 if PyAV lacks x264.

    `fps` comes from the header of a video; if implausible, it is replaced by 25. ValueError without frames.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError(f"{path}: a video needs at least one frame")
    rate = Fraction(fps).limit_denominator(1001) if RATES[0] <= fps <= RATES[1] else USUAL_RATE
    codec, options = ("libx264", {"crf": "20"}) if "libx264" in av.codecs_available else ("mpeg4", {"qscale": "3"})
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"  # the only format that some players support
        for frame in chain([first], remaining):
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))

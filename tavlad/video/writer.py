"""Frames to a video file, the same bytes for the same frames: one encoder thread, no timestamp, no version inside."""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType
from av.video.stream import VideoStream
from numpy.typing import NDArray

LONGEST_RUN = 16  # B-frames in a row, FFmpeg's limit


def write_video(
    path: Path, frames: Iterable[NDArray[np.uint8]], fps: int, codec: str = "mpeg4", pixel_format: str = "yuv420p",
    quantiser: int | None = None, anchors: Collection[int] = (),
) -> None:  # fmt: skip
    """Encode frames uint8 (H,W,3), RGB, one size, `fps` a second; the container follows from the suffix of `path`.

    Exact are `ffv1` with `bgr0` and `libx264rgb` with `rgb24` and quantiser 0, all else is lossy. `quantiser` is
    constant over the clip; without it the encoder's rate control decides. `anchors` are the numbers of the frames that
    are coded alone, the first and the last among them; those between, at most 16 in a row, are predicted from both
    sides alike (mpeg4). ValueError without frames, with a longer run, or if `codec` is none for video.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError(f"{path}: a video needs at least one frame")
    run = _longest_run(anchors)
    with av.open(path, "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=fps, options=_options(quantiser, run))
        if not isinstance(stream, VideoStream):
            raise ValueError(f"{codec} is no video codec")
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        for picture in _pictures(chain([first], remaining), pixel_format, anchors):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _pictures(
    frames: Iterable[NDArray[np.uint8]], pixel_format: str, anchors: Collection[int]
) -> Iterator[av.VideoFrame]:
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixel_format)
        if number in anchors:
            picture.pict_type = PictureType.I
        yield picture


def _options(quantiser: int | None, run: int | None) -> dict[str, str]:
    options = {"flags": "+bitexact"}
    if quantiser is not None:
        options |= {"qmin": str(quantiser), "qmax": str(quantiser), "qp": str(quantiser)}
    if run is not None:
        options |= {"bf": str(run), "g": "600"}  # 600: FFmpeg's longest; the anchors alone make the groups
    return options


def _longest_run(anchors: Collection[int]) -> int | None:
    """The most frames between two anchors, None without anchors."""
    if not anchors:
        return None
    places = sorted(anchors)
    run = max((after - before - 1 for before, after in pairwise(places)), default=0)
    if run > LONGEST_RUN:
        raise ValueError(f"{run} frames between two anchors; at most {LONGEST_RUN}")
    return run

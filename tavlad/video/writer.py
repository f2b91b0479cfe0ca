"""Writing video files reproducibly: one encoder thread, and no timestamp or version in the file."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: int,
    codec: str = "mpeg4",
    pixel_format: str = "yuv420p",
    quantiser: int | None = None,
) -> None:
    """Encode RGB frames uint8 (H,W,3) of one size at `fps` frames per second; the suffix of `path` sets the container.

    `ffv1` with `bgr0`, and `libx264rgb` with `rgb24` and quantiser 0, are lossless, everything else is lossy. With a
    `quantiser`, all frames are intra-coded with it: prediction from earlier frames would reveal the direction of time,
    and rate control the position in the clip. Without it, the encoder decides. ValueError without frames, or if `codec`
    is not a video codec.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError(f"{path}: a video needs at least one frame")
    with av.open(path, "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=fps, options=_options(quantiser))
        if not isinstance(stream, VideoStream):
            raise ValueError(f"{codec} is not a video codec")
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        for frame in chain([first], remaining):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixel_format)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _options(quantiser: int | None) -> dict[str, str]:
    options = {"flags": "+bitexact"}
    if quantiser is not None:
        options |= {"qmin": str(quantiser), "qmax": str(quantiser), "qp": str(quantiser), "g": "1"}
    return options

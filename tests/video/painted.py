"""Films whose frames say which they are, written without loss."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 9
SIZE = (48, 72)  # height, width: nine bars of eight pixels


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """`number` as nine black or white bars, the lowest bit left, on which scaling and compression leave no doubt."""
    height, width = size
    bars = (number >> np.arange(BITS)) & 1
    row = bars[np.arange(width) * BITS // width] * 255
    return np.broadcast_to(row[None, :, None], (height, width, 3)).astype(np.uint8)


def numbers(frames: np.ndarray) -> list[int]:
    """What `picture` wrote on uint8 (T, H, W, 3)."""
    centres = (2 * np.arange(BITS) + 1) * frames.shape[2] // (2 * BITS)
    return ((frames[:, frames.shape[1] // 2, centres, 1] > 127) @ (1 << np.arange(BITS))).tolist()


def film(
    path: Path,
    pictures: Sequence[np.ndarray],
    codec: str = "ffv1",
    pixels: str = "bgr0",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    **metadata: str,
) -> Path:
    """Write `pictures` (H, W, 3) to a film, lossless unless asked otherwise; `times` are milliseconds."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixel in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixel), "rgb24").reformat(format=pixels)
            if times:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def retold(path: Path, count: int) -> Path:
    """The AVI file at `path`, whose header now says that it holds `count` frames."""
    data = bytearray(path.read_bytes())
    for name, place in ((b"avih", 24), (b"strh", 40)):
        struct.pack_into("<I", data, data.index(name) + place, count)
    path.write_bytes(data)
    return path

"""Video files to pixels: the only decoder (sequential, one thread) and the only resize."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from tavlad.video.frames import DecodedClip, indices
from tavlad.video.opening import BadVideo, aspect_of, counted_errors, explained, opened_video, promised

# Area averaging does not alias, and takes 0.7 ms per frame (bicubic: 1.2). The others are swscale's SWS_FULL_CHR_H_INT,
# SWS_ACCURATE_RND and SWS_BITEXACT: the same pixels on every processor, at no cost. PyAV 17 has no names for them.
RESIZE = Interpolation.AREA | 0x2000 | 0x40000 | 0x80000
NO_SIZE_CHANGE = 2  # pixels by which rounding may change the long side when a stream changes its resolution
LONGEST_SIDE = 65_500  # pixels; the limit of JPEG
SPARE = 16 << 20  # bytes of frames held in case the header counts one frame too many, as in HMDB51


@dataclass
class _Scan:
    """One pass over a file: the counts, and the frames held, by index."""

    header_count: int
    fps: float
    aspect: Fraction
    held: dict[int, VideoFrame] = field(default_factory=dict)
    decoded_count: int = 0
    corrupt: int = 0


def read_clip(path: Path | str, count: int, short_side: int) -> DecodedClip:
    """Sample `count` frames, uint8 (count, H, W, 3), upright, with square pixels and the short side scaled to
    `short_side`; raises BadVideo."""
    return _read(path, count, lambda frame, aspect: scaled_size(frame, aspect, short_side))


def read_frames(path: Path | str, count: int) -> np.ndarray:
    """Sample `count` frames at their coded size, upright: uint8 (count, H, W, 3); raises BadVideo."""
    return _read(path, count, lambda frame, aspect: (frame.width, frame.height)).frames


def _read(path: Path | str, count: int, size: Callable[[VideoFrame, Fraction], tuple[int, int]]) -> DecodedClip:
    with counted_errors() as errors:
        scan = _scan(path, count)
        concealed = errors()
        wanted = indices(scan.decoded_count, count).tolist()
        if not set(wanted) <= set(scan.held):  # rare: the header's count was wrong
            scan.held.clear()
            scan = _rescan(path, count, scan.decoded_count)
    scan.held = {index: scan.held[index] for index in sorted(set(wanted))}
    first = scan.held[wanted[0]]
    return DecodedClip(
        frames=_pixels(path, scan, wanted, size),
        indices=wanted,
        pts=[math.nan if (time := scan.held[index].time) is None else float(time) for index in wanted],
        fps=scan.fps,
        header_count=scan.header_count,
        decoded_count=scan.decoded_count,
        begin=0,
        end=scan.decoded_count,
        rotation=int(first.rotation),
        width=first.width,
        height=first.height,
        interlaced=first.interlaced_frame,
        corrupt=scan.corrupt,
        concealed=concealed,
        pyav=av.__version__,
        ffmpeg=str(av.ffmpeg_version_info),
    )


def _rescan(path: Path | str, count: int, decoded_count: int) -> _Scan:
    scan = _scan(path, count, decoded_count)
    if scan.decoded_count != decoded_count:
        raise BadVideo(path, f"decodes to {decoded_count} frames once and to {scan.decoded_count} the next time")
    return scan


def _scan(path: Path | str, count: int, total: int | None = None) -> _Scan:
    """Decode the whole file, holding only the frames that are sampled from `total` frames.

    If `total` is unknown, hold those for the header's count, and for one less: their indices differ by at most 1.
    """
    with opened_video(path) as (container, stream):
        header, room = promised(container, stream), SPARE
        scan = _Scan(header, float(stream.average_rate or stream.guessed_rate or 0), aspect_of(stream))
        needed = _needed(total or header, count)
        spare = set() if total else _needed(header - 1, count) - needed
        try:
            for packet in container.demux(stream):
                scan.corrupt += packet.is_corrupt
                for frame in packet.decode():
                    if scan.decoded_count in spare:
                        room -= sum(plane.buffer_size for plane in frame.planes)
                    if scan.decoded_count in needed or (scan.decoded_count in spare and room >= 0):
                        scan.held[scan.decoded_count] = frame
                    scan.corrupt += frame.is_corrupt
                    scan.decoded_count += 1
        except av.FFmpegError as error:
            raise explained(path, error, f"decoding fails after {scan.decoded_count} frames") from error
    if not scan.decoded_count:
        raise BadVideo(path, "no frame decodes")
    return scan


def _needed(total: int, count: int) -> set[int]:
    """The indices of the `count` frames sampled from `total`; none if `total` is unknown (0)."""
    return set(indices(total, count).tolist()) if total > 0 else set()


def _pixels(
    path: Path | str, scan: _Scan, wanted: list[int], size: Callable[[VideoFrame, Fraction], tuple[int, int]]
) -> np.ndarray:
    """The `wanted` frames, scaled and turned upright: uint8 (T, H, W, 3)."""
    scaler = VideoReformatter()
    first = scan.held[wanted[0]]
    width, height = size(first, scan.aspect)
    if max(width, height) > LONGEST_SIDE:
        raise BadVideo(
            path, f"its {first.width}x{first.height} pixels would become {width}x{height}, too large for the scaler"
        )
    upright: dict[int, np.ndarray] = {}
    for index, frame in scan.held.items():
        own = size(frame, scan.aspect)
        if max(abs(own[0] - width), abs(own[1] - height)) > NO_SIZE_CHANGE:
            change = f"from {first.width}x{first.height} to {frame.width}x{frame.height}"
            raise BadVideo(path, f"the frame size changes midway, {change}")
        try:
            scaled = scaler.reformat(frame, width, height, "rgb24", interpolation=RESIZE, threads=1)
        except av.FFmpegError as error:
            raise explained(path, error, f"frame {index} of format {frame.format.name} cannot be scaled") from error
        upright[index] = turned(scaled.to_ndarray(), frame)
    if len({frame.shape for frame in upright.values()}) > 1:
        raise BadVideo(path, "the rotation changes midway")
    return np.stack([upright[index] for index in wanted])


def scaled_size(frame: VideoFrame, aspect: Fraction, short_side: int) -> tuple[int, int]:
    """Width and height with square pixels and the given short side; the long side is rounded."""
    width, height = frame.width * aspect, Fraction(frame.height)
    scale = short_side / min(width, height)
    return math.floor(width * scale + Fraction(1, 2)), math.floor(height * scale + Fraction(1, 2))


def _unnamed(table: type[Any], value: object) -> Any:
    """Name a type of side data that is unknown to PyAV, such as the EXIF of a camera's motion JPEG."""
    member = object.__new__(table)
    member._name_, member._value_ = f"UNNAMED_{value}", value
    return member


# Otherwise `frame.side_data` raises if any of the data, needed or not, has a type unknown to PyAV.
Type._missing_ = classmethod(_unnamed)  # type: ignore[method-assign, assignment]


def turned(pixels: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """Apply the frame's display matrix to `pixels` (H, W, 3): to the nearest quarter turn, mirrored or not."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return pixels
    # The matrix maps (x, y) to (a x + c y, b x + d y), with y pointing down.
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

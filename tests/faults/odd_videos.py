"""Videos that are odd but intact: a reader must get all of them right.

Each maker is (folder, generator) -> (the video, the numbers that its frames show, in order).
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.random import Generator

from tests.video.painted import SIZE, film, picture

Maker = Callable[[Path, Generator], tuple[Path, list[int]]]
RATE = Fraction(1, 25)
PICKED: dict[str, list[tuple[str, str, str]]] = {  # suffix, codec, pixels
    "ten_bit": [
        *(("mkv", "libx264", "yuv420p10le"), ("mp4", "libx264", "yuv422p10le"), ("mp4", "libx265", "yuv420p10le")),
        *(("mov", "prores_ks", "yuv422p10le"), ("mkv", "ffv1", "yuv444p12le"), ("mkv", "ffv1", "gray16le")),
    ],
    "alpha": [
        *(("mov", "png", "rgba"), ("webm", "libvpx-vp9", "yuva420p"), ("mov", "qtrle", "argb")),
        *(("mov", "prores_ks", "yuva444p10le"), ("mkv", "ffv1", "bgra"), ("apng", "apng", "rgba")),
    ],
    "one_frame": [
        *(("avi", "mpeg4", "yuv420p"), ("mp4", "libx264", "yuv420p"), ("mkv", "ffv1", "bgr0"), ("gif", "gif", "rgb8")),
        *(("ts", "mpeg2video", "yuv420p"), ("mjpeg", "mjpeg", "yuvj420p"), ("webm", "libvpx", "yuv420p")),
    ],
    "no_times": [
        *(("h264", "libx264", "yuv420p"), ("m4v", "mpeg4", "yuv420p")),
        *(("mjpeg", "mjpeg", "yuvj420p"), ("m2v", "mpeg2video", "yuv420p")),
    ],
    "rare_codec": [
        *(("avi", "snow", "yuv420p"), ("asf", "msmpeg4", "yuv420p"), ("avi", "huffyuv", "rgb24")),
        *(("y4m", "wrapped_avframe", "yuv444p"), ("ivf", "libvpx-vp9", "yuv420p"), ("nut", "ffv1", "bgr0")),
        ("3gp", "mpeg4", "yuv420p"),
    ],
}
SMALL = [(1, 1), (1, 2), (2, 1), (1, 9), (3, 5), (5, 3), (17, 1)]  # height, width: too small to show numbers
LARGE = [(16, 8192), (8192, 16), (16, 4096)]


def picked(kind: str) -> Maker:
    """A maker of videos in one of the codecs of `kind`."""

    def make(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
        choices = [choice for choice in PICKED[kind] if choice[1] in av.codecs_available]
        suffix, codec, pixels = choices[rng.integers(len(choices))]
        shows = _run(rng, 1 if kind == "one_frame" else int(rng.integers(2, 60)))
        # For videos shorter than its reordering, x265 leaves packet times unset, which muxers refuse.
        options = {"threads": "1", "x265-params": "log-level=none:bframes=0"}
        return film(folder / f"film.{suffix}", [picture(n) for n in shows], codec, pixels, options), shows

    return make


def small(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """1x1 pixels or little more, too small to read the numbers."""
    pictures = [np.full((*SMALL[rng.integers(len(SMALL))], 3), 90, np.uint8)] * int(rng.integers(1, 20))
    return film(folder / "film.mov", pictures, "png", "rgb24"), [0] * len(pictures)


def large(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """8192x16 pixels and similar sizes."""
    shows, size = _run(rng, int(rng.integers(2, 8))), LARGE[rng.integers(len(LARGE))]
    return film(folder / f"film.{_one_of(rng, 'avi', 'mkv')}", [picture(n, size) for n in shows]), shows


def turned(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """A display matrix that rotates by multiples of 90 degrees."""
    turns, shows = int(rng.integers(4)), _run(rng, 12)
    path = folder / f"film.{_one_of(rng, 'mp4', 'mov')}"
    with av.open(str(path), "w") as container:
        stream = _stream(container, "mpeg4", np.rot90(picture(0), -turns).shape)
        stream.set_display_rotation(90 * turns)
        _encode(container, stream, [np.rot90(picture(n), -turns) for n in shows])
    return path, shows


def resolution(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """A raw stream whose parts differ in size."""
    suffix, codec, pixels = _one_of(rng, ("mjpeg", "mjpeg", "yuvj420p"), ("h264", "libx264", "yuv420p"))
    shows, data = _run(rng, 30), b""
    for start in range(0, 30, 10):
        times = int(rng.integers(1, 4))
        pictures = [picture(n, (times * SIZE[0], times * SIZE[1])) for n in shows[start : start + 10]]
        data += film(folder / f"part.{suffix}", pictures, codec, pixels, {"threads": "1", "bf": "0"}).read_bytes()
    path = folder / f"film.{suffix}"
    path.write_bytes(data)
    return path, shows


def negative_times(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """The first frames have negative times; in MP4 and MOV this means that they are not shown."""
    shows, early = _run(rng, 24), int(rng.integers(1, 12))
    suffix, avoid = _one_of(rng, "mp4", "mov", "mkv", "ts", "avi"), _one_of(rng, "auto", "disabled")
    path = folder / f"film.{suffix}"
    with av.open(str(path), "w", options={"avoid_negative_ts": avoid}) as container:
        _encode(container, _stream(container, "libx264", SIZE), [picture(n) for n in shows], first=-early)
    return path, shows[early:] if suffix in ("mp4", "mov") else shows


def varying_rate(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """Times with gaps from a millisecond to minutes."""
    shows = _run(rng, 30)
    times = np.cumsum(1 + 10 ** rng.uniform(0, 5, 30)).astype(int).tolist()
    path = folder / f"film.{_one_of(rng, 'mkv', 'mp4', 'mov')}"
    return film(path, [picture(n) for n in shows], "libx264", "yuv420p", {"threads": "1"}, times), shows


def two_films(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """Two video streams in any order; the larger and longer one counts."""
    shows, path = _run(rng, 30), folder / f"film.{_one_of(rng, 'mkv', 'mp4', 'avi')}"
    small = [np.full((16, 24, 3), 60, np.uint8)] * 3
    parts = [(SIZE, [picture(n) for n in shows]), ((16, 24), small)]
    with av.open(str(path), "w") as container:
        streams = [_stream(container, "mpeg4", size) for size, _ in parts]
        for stream, (_, pictures) in zip(streams, parts, strict=True):
            _encode(container, stream, pictures)
    return path, shows


def with_cover(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """A video with a cover image."""
    shows, path = _run(rng, 30), folder / f"film.{_one_of(rng, 'mp4', 'mov')}"
    with av.open(str(path), "w") as container:
        order = rng.permutation(2)
        streams = {int(k): _stream(container, "mjpeg" if k else "mpeg4", (96, 96) if k else SIZE) for k in order}
        streams[1].pix_fmt, streams[1].disposition = "yuvj420p", Disposition.attached_pic
        _encode(container, streams[1], [np.full((96, 96, 3), 60, np.uint8)])
        _encode(container, streams[0], [picture(n) for n in shows])
    return path, shows


def with_sound(folder: Path, rng: Generator) -> tuple[Path, list[int]]:
    """Sound that is longer or shorter than the video."""
    shows, path = _run(rng, 30), folder / f"film.{_one_of(rng, 'mkv', 'mov', 'avi')}"
    with av.open(str(path), "w") as container:
        sound, stream = container.add_stream("pcm_s16le", rate=8000, layout="mono"), _stream(container, "mpeg4", SIZE)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, int(rng.integers(100, 50_000))), np.int16), "s16", "mono")
        samples.rate = 8000
        container.mux(sound.encode(samples) + sound.encode(None))
        _encode(container, stream, [picture(n) for n in shows])
    return path, shows


ODD: dict[str, Maker] = {kind: picked(kind) for kind in PICKED}
ODD |= {
    maker.__name__: maker
    for maker in (small, large, turned, resolution, negative_times, varying_rate, two_films, with_cover, with_sound)
}


def _run(rng: Generator, length: int) -> list[int]:
    """`length` successive numbers with a random start, so that frames of another video would be noticed."""
    first = int(rng.integers(1, 400))
    return list(range(first, first + length))


def _one_of(rng: Generator, *choices):
    return choices[rng.integers(len(choices))]


def _stream(container: av.container.OutputContainer, codec: str, size: tuple[int, ...]) -> VideoStream:
    stream = container.add_stream(codec, rate=25, options={"threads": "1"})
    stream.height, stream.width, stream.pix_fmt = size[0], size[1], "yuv420p"
    return stream


def _encode(
    container: av.container.OutputContainer, stream: VideoStream, pictures: list[np.ndarray], first: int = 0
) -> None:
    for number, pixels in enumerate(pictures, first):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
        frame.pts, frame.time_base = number, RATE
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))

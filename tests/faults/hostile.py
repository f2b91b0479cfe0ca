"""Files that are not videos, and videos made to exhaust memory or time: readers must refuse them with a reason.

Each maker is (folder, generator) -> the file.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.random import Generator

from tests.video.painted import film, picture

Maker = Callable[[Path, Generator], Path]
SUFFIXES = ("avi", "mp4", "mkv", "mov", "ts", "mpg", "webm", "gif", "m3u8", "txt", "bin", "ans", "jpg", "")


def empty(folder: Path, rng: Generator) -> Path:
    """An empty file."""
    path = _named(folder, rng)
    path.touch()
    return path


def text(folder: Path, rng: Generator) -> Path:
    """Text, a web page, a table."""
    kinds = ("This is no video.\n", "<!DOCTYPE html><html><body>404 Not Found</body></html>\n", "a,b,c\n1,2,3\n", "\n")
    path = _named(folder, rng)
    path.write_text(kinds[rng.integers(len(kinds))] * int(rng.integers(1, 500)))
    return path


def noise(folder: Path, rng: Generator) -> Path:
    """Random bytes, or zeros."""
    size = int(2 ** rng.uniform(0, 16))
    path = _named(folder, rng)
    path.write_bytes(rng.bytes(size) if rng.random() < 0.7 else bytes(size))
    return path


def archive(folder: Path, rng: Generator) -> Path:
    """A video in a ZIP file."""
    path = folder / f"film.{SUFFIXES[rng.integers(7)]}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(film(folder / "part.avi", [picture(n) for n in range(9)]), "film.avi")
    return path


def subtitles(folder: Path, rng: Generator) -> Path:
    """Subtitles."""
    path = folder / f"film.{('srt', 'vtt', 'avi')[rng.integers(3)]}"
    path.write_text("WEBVTT\n\n1\n00:00:00,000 --> 00:00:09,000\nno film\n"[8 * int(path.suffix != ".vtt") :])
    return path


def audio_only(folder: Path, rng: Generator) -> Path:
    """Sound, with any suffix."""
    suffix, codec = (("wav", "pcm_s16le"), ("avi", "pcm_s16le"), ("mkv", "pcm_s16le"), ("mov", "pcm_s16le"))[
        rng.integers(4)
    ]
    return _sound(folder / f"film.{suffix}", codec)


def cover_only(folder: Path, rng: Generator) -> Path:
    """Sound with a cover image, which FFmpeg presents as a video stream of one frame."""
    return _sound(folder / f"film.{('mp4', 'mov')[rng.integers(2)]}", "aac", cover=True)


def playlist(folder: Path, rng: Generator) -> Path:
    """A playlist that names a good video, itself, or an address elsewhere."""
    film(folder / "part.ts", [picture(n) for n in range(9)], "mpeg2video", "yuv420p")
    target = ("part.ts", "film.avi", "film.m3u8", "http://localhost:9/part.ts", "/dev/zero")[rng.integers(5)]
    if rng.random() < 0.5:
        path, words = folder / "film.avi", f"ffconcat version 1.0\nfile {target}\nfile {target}\n"
    else:
        path = folder / f"film.{('m3u8', 'avi')[rng.integers(2)]}"
        words = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"
    path.write_text(words)
    return path


def unknown_codec(folder: Path, rng: Generator) -> Path:
    """An AVI with an unknown codec."""
    path = film(folder / "film.avi", [picture(n) for n in range(9)], "mpeg4", "yuv420p")
    path.write_bytes(path.read_bytes().replace(b"FMP4", bytes(rng.integers(65, 91, 2, np.uint8)) + b"~~"))
    return path


def too_wide(folder: Path, rng: Generator) -> Path:
    """A picture wider than a JPEG can be."""
    size = ((2, 8192), (8192, 2))[rng.integers(2)]
    return film(folder / "film.avi", [np.full((*size, 3), 60, np.uint8)] * 3)


def bomb(folder: Path, rng: Generator) -> Path:
    """A PNG of one kilobyte that decodes to 300 to 750 MB."""
    side = int(rng.integers(10_000, 16_000))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10**6))
    path = folder / f"film.{('png', 'avi')[rng.integers(2)]}"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b""))
    return path


def endless(folder: Path, rng: Generator) -> Path:
    """An AVI without an index that continues for terabytes of zeros (a sparse file, which takes no space)."""
    raw = film(folder / "film.avi", [picture(n) for n in range(9)], "mpeg4", "yuv420p").read_bytes()
    path = folder / "film.avi"
    with open(path, "wb") as file:
        file.write(raw[: raw.index(b"idx1")])
        file.truncate(2**42)
    return path


HOSTILE: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (empty, text, noise, archive, subtitles, audio_only, cover_only, playlist, unknown_codec, too_wide)
}
EXHAUSTING: dict[str, Maker] = {maker.__name__: maker for maker in (bomb, endless)}


def _named(folder: Path, rng: Generator) -> Path:
    suffix = SUFFIXES[rng.integers(len(SUFFIXES))]
    return folder / (f"film.{suffix}" if suffix else "film")


def _sound(path: Path, codec: str, cover: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8000, layout="mono")
        if cover:
            jpeg = container.add_stream("mjpeg", rate=25)
            jpeg.height, jpeg.width, jpeg.pix_fmt, jpeg.disposition = 48, 72, "yuvj420p", Disposition.attached_pic
            container.mux(jpeg.encode(av.VideoFrame.from_ndarray(picture(1), "rgb24")) + jpeg.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        samples.rate = 8000
        if codec == "aac":
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
            samples.rate = 8000
        container.mux(stream.encode(samples) + stream.encode(None))
    return path


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

"""Streams of many kinds: the right frames, or a plain refusal."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tavlad.video.frames import indices
from tavlad.video.reader import BadVideo, read_clip, read_frames
from tests.faults.source_videos import remuxed
from tests.video.painted import SIZE, film, numbers, picture

STREAMS: dict[str, dict[str, Any]] = {
    "alpha.mov": {"codec": "png", "pixels": "rgba"},
    "alpha.webm": {"codec": "libvpx-vp9", "pixels": "yuva420p"},
    "ten_bit.mkv": {"codec": "libx264", "pixels": "yuv420p10le"},
    "grey.mkv": {"codec": "ffv1", "pixels": "gray"},
    "grey_16_bit.mkv": {"codec": "ffv1", "pixels": "gray16le"},
    "palette.gif": {"codec": "gif", "pixels": "rgb8"},
    "full_range.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "interlaced.mpg": {"codec": "mpeg2video", "pixels": "yuv420p", "options": {"flags": "+ildct+ilme"}},
    "interlaced.mkv": {"codec": "libx264", "pixels": "yuv420p", "options": {"x264-params": "interlaced=1"}},
    "transport.ts": {"codec": "mpeg2video", "pixels": "yuv420p"},
    "b_frames.avi": {"codec": "mpeg4", "pixels": "yuv420p", "options": {"bf": "2", "g": "12"}},
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_many_kinds(tmp_path, name):
    path = film(tmp_path / name, [picture(number) for number in range(30)], **STREAMS[name])
    clip = read_clip(path, 7, 41)
    assert numbers(clip.frames) == indices(30, 7).tolist()
    assert clip.frames.shape == (7, 41, 62, 3)
    assert clip.interlaced == name.startswith("interlaced")
    assert clip.frames.min() < 16 and clip.frames.max() > 239  # a limited range was stretched


def test_frames_at_varying_times(tmp_path):
    times = [0, 40, 45, 300, 305, 900, 1000, 1001, 1002, 5000]
    options = {"codec": "libx264", "pixels": "yuv420p"}
    clip = read_clip(film(tmp_path / "film.mkv", [picture(n) for n in range(10)], times=times, **options), 4, 32)
    assert numbers(clip.frames) == [1, 3, 6, 8]
    assert clip.pts == pytest.approx([0.04, 0.3, 1.0, 1.002])


@pytest.mark.parametrize(("aspect", "width"), [("16/11", 70), ("1/1", 48), ("200/1", 48)])
def test_pixels_that_are_not_square_become_square(tmp_path, aspect, width):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for number in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), "rgb24")))
        container.mux(stream.encode())
    assert read_clip(path, 4, 32).frames.shape == (4, 32, width, 3)
    assert read_frames(path, 4).shape == (4, *SIZE, 3)


def joined(path: Path, *sizes: tuple[int, int]) -> Path:
    """A raw MJPEG film that changes its size midway."""
    parts = []
    for part, size in enumerate(sizes):
        pictures = [picture(part * 5 + number, size) for number in range(5)]
        options = {"codec": "mjpeg", "pixels": "yuvj420p"}
        parts.append(film(path.with_name(f"part{part}.mjpeg"), pictures, **options).read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_resolution_may_change_midway(tmp_path):
    path = joined(tmp_path / "film.mjpeg", (48, 72), (96, 144))
    assert numbers(read_clip(path, 10, 32).frames) == list(range(10))
    with pytest.raises(BadVideo, match="frame size changes midway, from 72x48 to 144x96"):
        read_frames(path, 10)


def test_shape_may_not(tmp_path):
    with pytest.raises(BadVideo, match="frame size changes midway, from 72x48 to 48x72"):
        read_clip(joined(tmp_path / "film.mjpeg", (48, 72), (72, 48)), 10, 32)


def test_a_line_that_no_jpeg_can_hold_is_refused(tmp_path):
    path = film(tmp_path / "film.avi", [np.full((2, 8192, 3), 60, np.uint8)] * 3)
    with pytest.raises(BadVideo, match="its 8192x2 pixels would become 65536x16, too large for the scaler"):
        read_clip(path, 3, 16)
    assert read_clip(path, 3, 15).frames.shape == (3, 15, 61440, 3)


def trimmed(path: Path, first: int, count: int) -> Path:
    """A film of 100 frames, 25 a second, of which its edit list shows `count` from `first` on, as phones trim."""
    whole = film(path.with_name("whole.mp4"), [picture(n) for n in range(100)], "libx264", "yuv420p", {"bf": "0"})
    data = bytearray(remuxed(whole, path, movflags="+faststart").read_bytes())
    place = data.index(b"elst") + 12  # behind version, flags and the number of entries: how long, and from when
    assert struct.unpack_from(">Ii", data, place) == (4000, 0)  # of a 1000th, and of the stream's own ticks
    struct.pack_into(">Ii", data, place, 40 * count, first * 512)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("first", "count"), [(0, 40), (30, 40), (50, 50), (24, 76)])
def test_what_an_edit_list_hides_is_not_missing(tmp_path, first, count):
    clip = read_clip(trimmed(tmp_path / "film.mp4", first, count), 5, 48)
    assert clip.header_count == clip.decoded_count == count
    assert numbers(clip.frames) == [first + index for index in indices(count, 5)]


def test_of_a_trimmed_film_less_than_it_shows_is_missing(tmp_path):
    path = trimmed(tmp_path / "film.mp4", 0, 80)
    whole = path.read_bytes()
    path.write_bytes(whole[: (whole.index(b"mdat") + len(whole)) // 2])
    clip = read_clip(path, 5, 48)
    assert clip.header_count == 80 and 30 < clip.decoded_count < 60

"""Files that are no videos, or broken ones, or have names that look like something else."""

from pathlib import Path

import av
import numpy as np
import pytest

from tavlad.video.frames import indices
from tavlad.video.reader import BadVideo, read_clip, read_frames
from tests.video.painted import film, numbers, picture


def test_titles_that_are_not_utf8(tmp_path):
    path = film(tmp_path / "film.avi", [picture(n) for n in range(5)], title="TITLE")
    raw = path.read_bytes()
    assert raw.count(b"TITLE") == 1
    path.write_bytes(raw.replace(b"TITLE", b"\xff\xfe\xe9\xa0\xc3"))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path))
    assert numbers(read_frames(path, 5)) == list(range(5))


@pytest.mark.parametrize("name", ["a:b.avi", "http:x.avi", "a #1 & b;! [é] %03d.avi", "-i.avi"])
def test_names_are_only_names(tmp_path, monkeypatch, name):
    film(tmp_path / "film.avi", [picture(n) for n in range(5)]).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert numbers(read_frames(name, 5)) == list(range(5))


def audio(path: Path, codec: str = "pcm_s16le") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return path


def cover_picture(path: Path) -> Path:
    """A sound file with an ID3 tag that holds a JPEG: FFmpeg shows it as a video stream of one frame."""
    sound = audio(path.with_name("sound.mp3"), "mp3").read_bytes()
    jpeg = film(path.with_name("cover.mjpeg"), [picture(1)], "mjpeg", "yuvj420p").read_bytes()
    body = b"\0image/jpeg\0\3\0" + jpeg
    entry = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes(len(entry) >> shift & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + size + entry + sound[sound.index(b"\xff\xe3") :])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    return path


def unknown_codec(path: Path) -> Path:
    film(path, [picture(n) for n in range(5)], "mpeg4", "yuv420p")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZZZ"))
    return path


def text(path: Path) -> Path:
    path.write_text("This is no video.\n" * 100)
    return path


def playlist(path: Path) -> Path:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:9/x.ts\n#EXT-X-ENDLIST\n")
    return path


def list_of_films(path: Path) -> Path:
    """A text that names a good film beside it, which FFmpeg would show instead."""
    film(path.with_name("good.avi"), [picture(n) for n in range(5)])
    path.write_text("ffconcat version 1.0\nfile good.avi\n")
    return path


def list_of_itself(path: Path) -> Path:
    path.write_text(f"ffconcat version 1.0\nfile {path.name}\n")
    return path


def terminal_text(path: Path) -> Path:
    """A text with a suffix by which FFmpeg would show it as on a terminal."""
    return text(path.with_suffix(".txt"))


def empty(path: Path) -> Path:
    path.touch()
    return path


def header_only(path: Path) -> Path:
    raw = film(path, [picture(n) for n in range(5)], "mpeg4", "yuv420p").read_bytes()
    path.write_bytes(raw[: raw.index(b"movi") + 4])
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def gone(path: Path) -> Path:
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (audio, "has no video stream"),
        (unknown_codec, "its codec is unknown"),
        (cover_picture, "has no video stream"),
        (text, "cannot be opened as a video"),
        (playlist, "cannot be opened as a video|has no video stream"),
        (list_of_films, "cannot be opened as a video"),
        (list_of_itself, "cannot be opened as a video .Invalid argument"),  # before many of it are open
        (terminal_text, "cannot be opened as a video"),
        (empty, "the file is empty"),
        (header_only, "no frame decodes|cannot be opened"),
        (folder, "is not a file"),
        (gone, "the file is missing"),
    ],
)
def test_what_is_no_video_is_said_plainly(tmp_path, make, reason):
    path = make(tmp_path / "clip.avi")
    with pytest.raises(BadVideo, match=reason) as caught:
        read_clip(path, 5, 32)
    assert caught.value.path == path and "\n" not in caught.value.reason


def test_truncated_film_is_counted(tmp_path):
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (60, 48, 72, 3), np.uint8)
    path = film(tmp_path / "film.avi", noise, "mpeg4", "yuv420p")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 6 // 10])
    clip = read_clip(path, 5, 32)
    assert clip.header_count == 60 and 25 < clip.decoded_count < 45
    assert clip.indices == indices(clip.decoded_count, 5).tolist()
    assert clip.concealed > 0


def test_packets_lost_on_the_way_are_counted(tmp_path):
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (40, 48, 72, 3), np.uint8)
    raw = film(tmp_path / "film.ts", noise, "libx264", "yuv420p", {"g": "12", "threads": "1"}).read_bytes()
    path, packet, silent = tmp_path / "holed.ts", 188, 0
    whole = read_clip(tmp_path / "film.ts", 5, 32)
    assert (whole.decoded_count, whole.corrupt) == (40, 0)
    for start in range(len(raw) // packet // 4, len(raw) // packet // 2, 7):
        path.write_bytes(raw[: start * packet] + bytes(3 * packet) + raw[(start + 3) * packet :])
        clip = read_clip(path, 5, 32)
        assert clip.corrupt or clip.decoded_count == 40
        silent += clip.decoded_count < 40 and not clip.concealed
    assert silent, "the decoder reported every loss itself: this film tests nothing"


def test_errors_of_one_clip_are_not_counted_for_the_next(tmp_path):
    good = film(tmp_path / "good.mkv", [picture(n) for n in range(5)])
    for _ in range(2):
        with pytest.raises(BadVideo):
            read_clip(text(tmp_path / "bad.avi"), 5, 32)
        assert read_clip(good, 5, 32).concealed == 0
    assert av.logging.get_level() is None

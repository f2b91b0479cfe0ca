"""Frames by the fast decoder: the pixels of Pillow, its refusals, and no part in what only writes or draws."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tavlad.store.recipes import made_by
from tavlad.video.frames import read_frames_file, to_jpeg
from tavlad.video.jpeg import load_frames, unpacked

READERS = ("tavlad.features.extraction", "tavlad.learning.stage2", "tavlad.learning.scoring")


def pictures(kind: str, height: int, width: int) -> np.ndarray:
    """Two pictures, uint8 (2, H, W, 3)."""
    t, y, x = np.mgrid[:2, :height, :width]
    if kind == "noise":
        return np.random.default_rng(height * width).integers(0, 256, (2, height, width, 3), np.uint8)
    if kind == "edges":
        return np.stack([(x // 3 + t) % 2, y // 5 % 2, (x + y) // 7 % 2], axis=-1).astype(np.uint8) * 255
    return np.stack([t * 40, y * 7, x * 5], axis=-1).astype(np.uint8)


def write(path: Path, *jpegs: bytes) -> Path:
    with h5py.File(path, "w") as file:
        file["jpeg"] = np.frombuffer(b"".join(jpegs), np.uint8)
        file["offsets"] = np.cumsum([0, *map(len, jpegs)])
    return path


@pytest.mark.parametrize("kind", ["noise", "edges", "smooth"])
@pytest.mark.parametrize("quality", [1, 50, 75, 90, 95, 100])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 9), (16, 17), (97, 129), (128, 171), (256, 341)])
def test_the_pixels_are_those_of_pillow(kind: str, quality: int, height: int, width: int) -> None:
    """Libraries of JPEG differ in how they undo the cosines and how they enlarge colour: these two do not."""
    jpegs = to_jpeg(pictures(kind, height, width), quality)
    expected = np.stack([np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs])
    found = unpacked(jpegs)
    assert found.dtype == np.uint8 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


def test_a_file_is_read_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a torchvision that has dropped its decoder, as it means to."""
    path = write(tmp_path / "clip.h5", *to_jpeg(pictures("edges", 24, 32), 95))
    expected = read_frames_file(path)
    np.testing.assert_array_equal(load_frames(path), expected)
    monkeypatch.delattr("torchvision.io.decode_jpeg")
    np.testing.assert_array_equal(load_frames(path), expected)


def resized(jpeg: bytes, side: int) -> bytes:
    """`jpeg` with a header that declares a square of `side` pixels."""
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", side, side) + jpeg[place + 4 :]


def kind_of(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


GOOD = to_jpeg(pictures("smooth", 24, 32), 95)[0]
BAD = {
    "cut short": GOOD[: len(GOOD) // 2],
    "no header": GOOD[200:],
    "nothing": b"\0",
    "a PNG": kind_of("PNG"),
    "a GIF": kind_of("GIF"),
    "of another size": to_jpeg(pictures("smooth", 24, 30), 95)[0],
    "a bomb": resized(GOOD, 65_500),  # 13 GB
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("read", [load_frames, read_frames_file])
def test_what_cannot_be_read_names_the_file(tmp_path: Path, read, kind: str) -> None:
    with pytest.raises(ValueError, match=r"bad\.h5 cannot be read: .*tavlad doctor store"):
        read(write(tmp_path / "bad.h5", GOOD, BAD[kind]))


def test_a_size_beyond_reason_is_refused_before_the_decoder_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.io.decode_jpeg", lambda *_: pytest.fail("13 GB were asked for"))
    with pytest.raises(Image.DecompressionBombError):
        unpacked([BAD["a bomb"]])


def test_the_decoders_version_is_in_the_keys_of_those_who_read_and_of_no_others() -> None:
    assert all({"torchvision", "PIL"} <= made_by(reader)["versions"].keys() for reader in READERS)
    assert "torchvision" not in made_by("tavlad.video.decode")["versions"]


def test_drawing_loads_no_torch() -> None:
    code = "import sys, tavlad.report.attention, tavlad.video.decode; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"

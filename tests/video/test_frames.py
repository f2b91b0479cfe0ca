import io
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from tavlad.video.frames import (
    DecodedClip,
    from_jpeg,
    read_frame_facts,
    read_frames_file,
    read_frames_recipe,
    to_jpeg,
    write_frames,
)

NAME = "brush hair/a #1 & b;! [é]"


@pytest.fixture
def frames() -> np.ndarray:
    """Smooth pictures, as JPEG likes them: uint8 (5, 32, 48, 3)."""
    t, y, x = np.mgrid[:5, :32, :48]
    return np.stack([t * 40, y * 7, x * 5], axis=-1).astype(np.uint8)


@pytest.fixture
def decoded(frames) -> DecodedClip:
    return DecodedClip(
        frames=frames,
        indices=[0, 2, 4, 6, 8],
        pts=[0.0, 0.08, 0.16, 0.24, 0.32],
        fps=25.0,
        header_count=10,
        decoded_count=9,
        begin=0,
        end=9,
        rotation=-90,
        width=320,
        height=240,
        interlaced=False,
        corrupt=0,
        concealed=3,
        pyav="18",
        ffmpeg="8",
    )


def test_round_trip(tmp_path, frames, decoded):
    path = tmp_path / "clip.h5"
    write_frames(path, NAME, decoded, 95, "recipe")
    read = read_frames_file(path)
    assert read.shape == frames.shape and read.dtype == np.uint8
    assert np.abs(read.astype(int) - frames).max() <= 8
    assert np.array_equal(read, from_jpeg(to_jpeg(frames, 95)))
    assert read_frames_recipe(path) == "recipe"
    assert read_frame_facts(path) == {**decoded.facts(), "jpeg_quality": 95}
    with h5py.File(path) as file:
        assert file.attrs["clip"] == NAME


def test_missing_times_stay_missing(tmp_path, decoded):
    path = tmp_path / "clip.h5"
    write_frames(path, NAME, replace(decoded, pts=[float("nan")] * 5), 95, "recipe")
    assert np.isnan(read_frame_facts(path)["pts"]).all()


def test_same_input_same_bytes(tmp_path, decoded):
    for name in ("a.h5", "b.h5"):
        write_frames(tmp_path / name, NAME, decoded, 95, "recipe")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_quality_is_obeyed_and_colour_is_halved(frames):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, frames.shape, np.uint8)
    sizes = [sum(map(len, to_jpeg(noise, quality))) for quality in (50, 75, 95)]
    assert sizes == sorted(set(sizes))
    opened = Image.open(io.BytesIO(to_jpeg(frames, 95)[0]))
    assert [(h, v) for _, h, v, _ in opened.layer] == [(2, 2), (1, 1), (1, 1)]
    assert "progressive" not in opened.info


def test_never_overwrites(tmp_path, decoded):
    path = tmp_path / "clip.h5"
    write_frames(path, NAME, decoded, 95, "recipe")
    with pytest.raises(FileExistsError):
        write_frames(path, NAME, decoded, 95, "another")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offsets", np.array([0, 10, 5, 20])),
        ("offsets", np.array([0, 1])),
        ("offsets", np.array([0])),
        ("offsets", np.zeros((2, 2), np.int64)),
        ("offsets", np.array([0.0, 1.0])),
        ("jpeg", np.zeros(4, np.float32)),
        ("jpeg", None),
    ],
)
def test_damage_is_an_error_that_names_the_file(tmp_path, decoded, name, value):
    path = tmp_path / "clip.h5"
    write_frames(path, NAME, decoded, 95, "recipe")
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value
    with pytest.raises(ValueError, match=r"clip\.h5"):
        read_frames_file(path)

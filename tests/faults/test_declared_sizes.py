"""HDF5 files that declare more than they hold are refused before anything is allocated."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tavlad.features.cache import read_maps
from tavlad.learning.clip_attention import read_attention
from tavlad.learning.scores import Predictions
from tavlad.video.frames import read_frame_facts, read_frames_file

PETA = 10**15
TEXT = h5py.string_dtype()


def frames(file: h5py.File) -> None:
    file["offsets"] = np.array([0, 4])
    file["jpeg"] = np.zeros(4, np.uint8)
    file["indices"], file["pts"] = np.array([0]), np.array([0.0])


def predictions(file: h5py.File) -> None:
    file.create_dataset("ids", data=["a"], dtype=TEXT)
    file["labels"], file["logits"] = np.array([0]), np.zeros((1, 2), np.float32)
    file.attrs.create("classes", ["x", "y"], dtype=TEXT)


def looks(file: h5py.File) -> None:
    file.create_dataset("ids", data=["a"], dtype=TEXT)
    file["empty"], file["confident"] = np.array([0.0]), np.array([0.0])
    file["attention"] = np.ones((1, 1, 1, 1), np.float32)
    file.create_dataset("winners", data=[["cat"]], dtype=TEXT)


def maps(file: h5py.File) -> None:
    file["maps"] = np.zeros((1, 1, 1, 1, 1), np.float16)


CASES = [
    (frames, read_frames_file, "jpeg", (PETA,), np.uint8),
    (frames, read_frames_file, "offsets", (PETA,), np.int64),
    (frames, read_frame_facts, "indices", (PETA,), np.int64),
    (frames, read_frame_facts, "pts", (PETA,), np.float64),
    (predictions, Predictions.load, "ids", (PETA,), TEXT),
    (predictions, Predictions.load, "labels", (PETA,), np.int64),
    (predictions, Predictions.load, "logits", (10**8, 10**8), np.float32),
    (predictions, Predictions.load, "logits", (1 << 31, 1 << 32), np.float32),  # the number of bytes exceeds 64 bits
    (looks, read_attention, "ids", (PETA,), TEXT),
    (looks, read_attention, "empty", (PETA,), np.float64),
    (looks, read_attention, "attention", (10**5, 10**4, 10**3, 10**3), np.float32),
    (looks, read_attention, "winners", (10**8, 10**7), TEXT),
    (maps, lambda path: read_maps(path, 0), "maps", (1, 10**3, 10**4, 10**4, 10**4), np.float16),
]


@pytest.mark.parametrize(("write", "read", "name", "shape", "dtype"), CASES)
@pytest.mark.parametrize("kind", ["chunked", "contiguous"])
def test_petabytes_are_refused_by_name(tmp_path: Path, write, read, name, shape, dtype, kind) -> None:
    path = tmp_path / "huge.h5"
    with h5py.File(path, "w") as file:
        write(file)
        del file[name]
        chunks = tuple(min(side, 16) for side in shape) if kind == "chunked" else None
        if kind == "contiguous" and np.prod([float(side) for side in shape]) > 1e18:
            pytest.skip("HDF5 itself declares no contiguous array as large")
        file.create_dataset(name, shape, dtype, chunks=chunks)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"huge\.h5"):
        read(path)


@pytest.mark.parametrize(
    ("write", "read", "name"), [(looks, read_attention, "ids"), (predictions, Predictions.load, "ids")]
)
def test_another_shape_is_refused_by_name(tmp_path: Path, write, read, name) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        write(file)
        del file[name]
        file[name] = np.zeros((2, 2), np.int8)
    with pytest.raises(ValueError, match=r"odd\.h5"):
        read(path)


@pytest.mark.parametrize(("write", "read"), [(predictions, Predictions.load), (looks, read_attention)])
def test_valid_files_are_read(tmp_path: Path, write, read) -> None:
    with h5py.File(tmp_path / "good.h5", "w") as file:
        write(file)
    assert read(tmp_path / "good.h5").ids == ("a",)

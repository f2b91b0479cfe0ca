"""Files that would run code when unpickled, or that point to other files: no reader falls for them."""

import io
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError

from tavlad.errors import TavladError
from tavlad.features.backbone import load_backbone
from tavlad.features.cache import read_maps, read_maps_recipe, read_shape
from tavlad.features.weights import local_weights
from tavlad.learning.checkpoints import load_checkpoint
from tavlad.learning.clip_attention import read_attention
from tavlad.learning.codebook import load_codebook
from tavlad.learning.scores import Predictions
from tavlad.video.frames import read_frame_facts, read_frames_file

REFUSALS = (TavladError, ValueError, KeyError, OSError, SafetensorError)


class Payload:
    """Creates a file at `marker` when unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.marker,)


def bare_pickle(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps({"conv1.weight": payload}, protocol=2))


def torch_zip(path: Path, payload: Payload) -> None:
    torch.save({"conv1.weight": payload}, path)


def numpy_zip(path: Path, payload: Payload) -> None:
    with open(path, "wb") as file:
        np.savez(file, maps=np.array([payload], dtype=object))


def hdf5(path: Path, payload: Payload) -> None:
    data = np.void(pickle.dumps(payload))
    with h5py.File(path, "w") as file:
        for name in ("maps", "jpeg", "offsets", "indices", "pts", "ids", "labels", "logits", "attention", "winners"):
            file[name] = data
        for name in ("recipe", "classes", "made_by", "draws", "clip"):
            file.attrs[name] = data


READERS = {
    "weights": partial(local_weights, "resnet34"),
    "backbone": load_backbone,
    "checkpoint": load_checkpoint,
    "codebook": load_codebook,
    "maps": lambda path: read_maps(path, 0),
    "shape": read_shape,
    "frames": read_frames_file,
    "facts": read_frame_facts,
    "predictions": Predictions.load,
    "attention": read_attention,
}


@pytest.mark.parametrize("write", [bare_pickle, torch_zip, numpy_zip, hdf5])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", ["pth", "safetensors", "npz", "h5"])
def test_no_reader_executes_a_files_contents(tmp_path: Path, write, reader: str, suffix: str) -> None:
    file, marker = tmp_path / f"hostile.{suffix}", tmp_path / "marker"
    write(file, Payload(marker))
    with pytest.raises(REFUSALS):
        READERS[reader](file)
    assert not marker.exists()


def test_the_payload_works(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for write, load in (
        (bare_pickle, lambda path: pickle.loads(path.read_bytes())),
        (torch_zip, lambda path: torch.load(path, weights_only=False)),
        (numpy_zip, lambda path: np.load(path, allow_pickle=True)["maps"]),
        (hdf5, lambda path: pickle.loads(h5py.File(path)["maps"][()].tobytes())),
    ):
        write(tmp_path / "file", Payload(marker))
        load(tmp_path / "file")
        assert marker.exists(), write
        marker.unlink()


def test_a_recipe_is_only_text(tmp_path: Path) -> None:
    hdf5(tmp_path / "maps.h5", Payload(tmp_path / "marker"))
    assert isinstance(read_maps_recipe(tmp_path / "maps.h5"), str)
    assert not (tmp_path / "marker").exists()


def test_frames_are_read_as_jpeg_only(tmp_path: Path) -> None:
    for kind, refused in (("JPEG", False), ("PNG", True), ("GIF", True), ("TIFF", True)):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, kind)
        with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
            file["jpeg"] = np.frombuffer(buffer.getvalue(), np.uint8)
            file["offsets"] = np.array([0, len(buffer.getvalue())])
        with pytest.raises(ValueError, match=rf"{kind}\.h5") if refused else nullcontext():
            assert read_frames_file(tmp_path / f"{kind}.h5").shape == (1, 8, 8, 3)


@pytest.mark.parametrize("read", [read_frames_file, lambda path: read_maps(path, 0)])
def test_an_hdf5_file_cannot_show_the_bytes_of_another(tmp_path: Path, read) -> None:
    """HDF5 arrays can be stored in an external file by name, whose contents would then appear as frames or maps."""
    (tmp_path / "secret").write_bytes(bytes(1 << 10))
    with h5py.File(tmp_path / "points.h5", "w") as file:
        outside = [(str(tmp_path / "secret"), 0, 1 << 10)]
        file.create_dataset("maps", (1, 2, 4, 8, 8), np.float16, external=outside)
        file.create_dataset("jpeg", (1 << 10,), np.uint8, external=outside)
        file["offsets"], file["indices"], file["pts"] = np.array([0, 1 << 10]), np.array([0]), np.array([0.0])
    with pytest.raises(ValueError, match=r"points\.h5"):
        read(tmp_path / "points.h5")

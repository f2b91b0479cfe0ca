"""Cached maps averaged over place and time: all that the comparison with average pooling reads of a clip, made once."""

from pathlib import Path

import h5py
import numpy as np

from tavlad import console
from tavlad.device import Speed
from tavlad.features.cache import read_maps
from tavlad.learning.loading import read_ahead
from tavlad.store.hdf5 import created, opened_hdf5
from tavlad.store.inputs import Inputs
from tavlad.store.making import Place


def pooled_maps(maps: np.ndarray) -> np.ndarray:
    """Maps float16 (T, C, H, W) -> means float32 (C) over frames and locations, after the ReLU: as `pooling: avg`."""
    means: np.ndarray = np.maximum(maps, 0).mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    return means


def make_pooled(place: Place, maps: Inputs, speed: Speed) -> None:
    """Write `ids` and `means` float32 (N, C) of the centre views of all clips of `maps` to the HDF5 file `place`."""

    def read(clip: str) -> np.ndarray:
        return pooled_maps(read_maps(maps.file(clip), view=0))

    rows = console.track(read_ahead(read, maps.clips, speed.workers), speed.label, len(maps.clips), "clips")
    means = np.stack(list(rows))
    with created(place.path) as file:
        file.create_dataset("ids", data=list(maps.clips), dtype=h5py.string_dtype(), track_times=False)
        file.create_dataset("means", data=means, track_times=False)


def read_pooled(path: Path) -> dict[str, np.ndarray]:
    """The means (C) by clip id, as `make_pooled` wrote them."""
    with opened_hdf5(path) as file:
        return dict(zip(file["ids"].asstr()[()], file["means"][()], strict=True))

"""Cached maps averaged over space and time: the input of the average-pooling baseline, computed once."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from tavlad import console
from tavlad.device import Speed
from tavlad.features.cache import read_maps
from tavlad.learning.loading import read_ahead
from tavlad.model.backbone import family_of
from tavlad.model.settings import Features, NetworkName
from tavlad.store.hdf5 import created, opened_hdf5
from tavlad.store.inputs import Inputs
from tavlad.store.making import Place


@dataclass(frozen=True)
class Pooled:
    """The cached maps of all clips, the network that made them, and whether they are after its last ReLU ("relu")."""

    maps: Inputs
    network: NetworkName
    features: Features


def pooled_maps(maps: np.ndarray, network: NetworkName, features: Features) -> np.ndarray:
    """Maps float16 (T, C, H, W) -> means float32 (C) over frames and locations, activated as for `pooling: avg`."""
    if features == "pre_relu":
        maps = family_of(network).activation(torch.from_numpy(maps).float()).numpy()
    means: np.ndarray = maps.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    return means


def make_pooled(place: Place, wanted: Pooled, speed: Speed) -> None:
    """Write `ids` and `means` float32 (N, C) of the centre views of all clips to the HDF5 file `place`."""
    maps = wanted.maps

    def read(clip: str) -> np.ndarray:
        return pooled_maps(read_maps(maps.file(clip), view=0), wanted.network, wanted.features)

    rows = console.track(read_ahead(read, maps.clips, speed.workers), speed.label, len(maps.clips), "clips")
    means = np.stack(list(rows))
    with created(place.path) as file:
        file.create_dataset("ids", data=list(maps.clips), dtype=h5py.string_dtype(), track_times=False)
        file.create_dataset("means", data=means, track_times=False)


def read_pooled(path: Path) -> dict[str, np.ndarray]:
    """The means (C) by clip id, as written by `make_pooled`."""
    with opened_hdf5(path) as file:
        return dict(zip(file["ids"].asstr()[()], file["means"][()], strict=True))

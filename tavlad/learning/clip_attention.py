"""The file attention.h5, written by `evaluate`: where a model attended in each held-out clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tavlad.store.hdf5 import created, opened_hdf5

# dtype kind (O: text) and number of dimensions
FORM = {"ids": ("O", 1), "empty": ("f", 1), "confident": ("f", 1), "attention": ("f", 4), "winners": ("O", 2)}
SWELLS = 1032  # the largest expansion of one byte by deflate


@dataclass(frozen=True, eq=False)
class ClipAttention:
    """One clip: attention float32 (T, H, W), which sums to 1 over each frame, and the winning ImageNet classes (T).

    Both are None without attention. `empty` is the share of the K clusters that are nearest to no descriptor of the
    clip, `confident` the share of its descriptors assigned to one cluster with p > 0.99; NaN without VLAD.
    """

    attention: np.ndarray | None
    winners: tuple[str, ...] | None
    empty: float
    confident: float


def save_attention(path: Path, ids: Sequence[str], attended: Sequence[ClipAttention]) -> None:
    """Write `ids`, `empty` and `confident` (N), and with attention `attention` (N,T,H,W) and `winners` (N,T)."""
    text = h5py.string_dtype()
    with created(path) as file:
        file.create_dataset("ids", data=list(ids), dtype=text)
        file.create_dataset("empty", data=np.array([one.empty for one in attended]))
        file.create_dataset("confident", data=np.array([one.confident for one in attended]))
        if attended[0].attention is not None:
            maps = np.stack([one.attention for one in attended])  # type: ignore[misc] # all are None or none is
            file.create_dataset("attention", data=maps, shuffle=True, compression="gzip", compression_opts=1)
            file.create_dataset("winners", data=[list(one.winners or ()) for one in attended], dtype=text)


@dataclass(frozen=True, eq=False)
class SavedAttention:
    """N clips: attention (N, T, H, W), which sums to 1 over each frame, and the winning ImageNet classes (N, T), both
    None without attention; per clip (N) the share of empty clusters and of confident assignments, NaN without VLAD."""

    ids: tuple[str, ...]
    empty: np.ndarray
    confident: np.ndarray
    attention: np.ndarray | None
    winners: np.ndarray | None


def read_attention(path: Path) -> SavedAttention:
    """Read what `evaluate` saved at `path`; ValueError naming it if it holds anything else."""
    with opened_hdf5(path) as file:
        for name, found in file.items():
            _check(path, name, found)
        attention = file["attention"][()] if "attention" in file else None
        winners = file["winners"].asstr()[()] if "winners" in file else None
        clips = tuple(file["ids"].asstr()[()])
        return SavedAttention(clips, file["empty"][()], file["confident"][()], attention, winners)


def _check(path: Path, name: str, found: h5py.Dataset) -> None:
    if not isinstance(found, h5py.Dataset) or (found.dtype.kind, found.ndim) != FORM.get(name):
        raise ValueError(f"{path} contains no saved attention: its '{name}' is {found}")
    if math.prod(found.shape) * found.dtype.itemsize > SWELLS * path.stat().st_size:
        raise ValueError(f"{path} is damaged: its '{name}' declares {found.shape}, more than such a file can hold")

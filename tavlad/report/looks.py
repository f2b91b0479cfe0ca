"""What `evaluate` saved of where a model looks, read back and measured: entropy, and attention inside true boxes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tavlad.hdf5 import opened

# kind of value (O: text) and number of axes
FORM = {"ids": ("O", 1), "empty": ("f", 1), "confident": ("f", 1), "attention": ("f", 4), "winners": ("O", 2)}
SWELLS = 1032  # the most that one byte of deflate becomes


@dataclass(frozen=True, eq=False)
class Looks:
    """N clips: attention (N, T, H, W), which sums to 1 over each frame, and the winning ImageNet classes (N, T), both
    None without attention; per clip (N) the share of empty clusters and of confident assignments, NaN without VLAD."""

    ids: tuple[str, ...]
    empty: np.ndarray
    confident: np.ndarray
    attention: np.ndarray | None
    winners: np.ndarray | None


def read_looks(path: Path) -> Looks:
    """The looks that `evaluate` saved at `path`; ValueError with its path if it holds anything else."""
    with opened(path) as file:
        for name, found in file.items():
            _check(path, name, found)
        attention = file["attention"][()] if "attention" in file else None
        winners = file["winners"].asstr()[()] if "winners" in file else None
        return Looks(tuple(file["ids"].asstr()[()]), file["empty"][()], file["confident"][()], attention, winners)


def _check(path: Path, name: str, found: h5py.Dataset) -> None:
    if not isinstance(found, h5py.Dataset) or (found.dtype.kind, found.ndim) != FORM.get(name):
        raise ValueError(f"{path} holds no looks: its '{name}' is {found}")
    if math.prod(found.shape) * found.dtype.itemsize > SWELLS * path.stat().st_size:
        raise ValueError(f"{path} is damaged: its '{name}' declares {found.shape}, more than such a file can hold")


def entropy(attention: np.ndarray) -> np.ndarray:
    """The entropy of attention (..., H, W) over its locations, as a share of the largest, log N: 1 is uniform."""
    flat = attention.reshape(*attention.shape[:-2], -1).astype(np.float64)
    logs = np.log(flat, out=np.zeros_like(flat), where=flat > 0)
    shares: np.ndarray = -(flat * logs).sum(axis=-1) / max(np.log(flat.shape[-1]), np.finfo(float).tiny)
    return shares


def covered(box: np.ndarray, H: int, W: int) -> np.ndarray:
    """How much of each of H x W equal cells of the unit square the box x0, y0, x1, y1 covers: (H, W) in 0..1."""
    sides = []
    for start, end, cells in ((box[1], box[3], H), (box[0], box[2], W)):
        edges = np.linspace(0, 1, cells + 1)
        inside = np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1])
        sides.append(np.clip(inside, 0, None) * cells)
    return np.outer(*sides)


def masses(looks: Looks, boxes: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """By clip: the mean over its frames of the attention inside the true box, and of the box's share of the crop.

    `boxes` (T, 4) are shares of the crop's side for each sampled frame; clips without boxes are left out.
    """
    if looks.attention is None:
        return {}
    found = {}
    for clip, attention in zip(looks.ids, looks.attention, strict=True):
        if clip in boxes:
            cells = np.stack([covered(box, *attention.shape[1:]) for box in boxes[clip]])  # (T, H, W)
            found[clip] = float((attention * cells).sum(axis=(1, 2)).mean()), float(cells.mean())
    return found


def look_metrics(looks: Looks, classes: Mapping[str, str], boxes: Mapping[str, np.ndarray]) -> dict[str, object]:
    """Means over the clips, 5 digits; `classes` names each clip's class.

    `focus` is the attention mass inside the true boxes over the boxes' share of the frame, both summed over clips:
    1 is what uniform attention gives. It is there only for clips with boxes, `focus_per_class` likewise.
    """
    document: dict[str, object] = {}
    for name, values in (("empty_clusters", looks.empty), ("confident_assignments", looks.confident)):
        if not np.isnan(values).any():
            document[name] = round(float(values.mean()), 5)
    if looks.attention is not None:
        document["entropy"] = round(float(entropy(looks.attention).mean()), 5)
    measured = masses(looks, boxes)
    if measured:
        names = sorted({classes[clip] for clip in measured})
        document["focus"] = _ratio(list(measured.values()))
        document["focus_per_class"] = {
            name: _ratio([pair for clip, pair in measured.items() if classes[clip] == name]) for name in names
        }
    return document


def _ratio(pairs: list[tuple[float, float]]) -> float:
    mass, share = np.sum(pairs, axis=0)
    return round(float(mass / share), 5)

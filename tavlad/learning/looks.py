"""Where a model looks in the held-out clips, and how its codebook takes what is there: one file beside predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import ResNet34_Weights

from tavlad.hdf5 import created
from tavlad.model.precision import exact, unit
from tavlad.model.tavlad import TAVLAD

CATEGORIES: list[str] = ResNet34_Weights.IMAGENET1K_V1.meta["categories"]  # of ImageNet; nothing is downloaded
CONFIDENT = 0.99  # an assignment above this is as good as hard


@dataclass(frozen=True, eq=False)
class Look:
    """One clip: attention float32 (T, H, W), which sums to 1 over each frame, and the winning ImageNet classes (T).

    Both are None without attention. `empty` is the share of the K clusters that are nearest to no descriptor of the
    clip, `confident` the share of its descriptors that one cluster takes with more than 0.99; NaN without VLAD.
    """

    attention: np.ndarray | None
    winners: tuple[str, ...] | None
    empty: float
    confident: float


def look(model: TAVLAD, maps: Tensor, seen: Tensor) -> Look:
    """What `model` does with the maps to encode and to attend by of one clip, both (1, T, C, H, W)."""
    attention, winners, empty, confident = None, None, float("nan"), float("nan")
    with torch.inference_mode():
        if model.attention is not None:
            attended = F.relu(seen[0])
            attention = model.attention(attended).float().cpu().numpy()
            winners = tuple(CATEGORIES[number] for number in model.attention.winner(attended).tolist())
        if model.settings["pooling"] == "vlad":
            highest, nearest = model.vlad.assign(unit(exact(maps[0]).flatten(2), dim=1)).max(dim=1)  # (T, N) each
            empty = 1 - len(nearest.unique()) / model.settings["clusters"]
            confident = float((highest > CONFIDENT).float().mean())
    return Look(attention, winners, empty, confident)


def save_looks(path: Path, ids: Sequence[str], looks: Sequence[Look]) -> None:
    """Write the looks of clips `ids`: `ids`, `empty` and `confident` (N), and with attention `attention` (N,T,H,W) and
    `winners` (N,T)."""
    text = h5py.string_dtype()
    with created(path) as file:
        file.create_dataset("ids", data=list(ids), dtype=text)
        file.create_dataset("empty", data=np.array([one.empty for one in looks]))
        file.create_dataset("confident", data=np.array([one.confident for one in looks]))
        if looks[0].attention is not None:
            maps = np.stack([one.attention for one in looks])  # type: ignore[misc] # None is for all of them or none
            file.create_dataset("attention", data=maps, shuffle=True, compression="gzip", compression_opts=1)
            file.create_dataset("winners", data=[list(one.winners or ()) for one in looks], dtype=text)

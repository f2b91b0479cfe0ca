"""The codebook: K k-means centres of unit-length descriptors of training clips (paper, section 4.1, pre-processing)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tavlad import console
from tavlad.features.cache import read_maps
from tavlad.model.precision import unit
from tavlad.model.vlad import VLAD
from tavlad.store.inputs import Inputs, rng_for
from tavlad.store.making import Place

DRAWN = -1  # the index of the random stream that draws clips; their locations use stream 0


@dataclass(frozen=True)
class Codebook:
    """The inputs and settings of a codebook, which is fitted to about `descriptors` of the training clips' maps."""

    maps: Inputs
    descriptors: int
    clusters: int
    iterations: int
    alpha: float
    seed: int


@dataclass(frozen=True)
class Fit:
    """The results of fitting a codebook, computed over the descriptors that it was fitted to.

    `confident` is the share assigned with p > 0.99 at this alpha; `netvlad_alpha` is the alpha of NetVLAD's rule, where
    the mean gap between the squared distances to the two nearest centres gives a ratio of 100 between assignments.
    """

    descriptors: int
    iterations: int
    inertia: float
    empty: int
    alpha: float
    confident: float
    netvlad_alpha: float


def make_codebook(place: Place, wanted: Codebook, speed: None) -> None:
    """Write the codebook to the file `place`."""
    found = sample_descriptors(wanted.maps.folder, wanted.maps.clips, wanted.descriptors, wanted.seed)
    centers, fitted = fit_codebook(found, wanted.clusters, wanted.iterations, wanted.alpha, wanted.seed)
    save_codebook(place.path, centers, fitted, place.key)


def sample_descriptors(features: Path, ids: Sequence[str], count: int, seed: int) -> Tensor:
    """About `count` unit-length descriptors (M, C), float32, spread evenly over the clips' centre views.

    Each clip contributes random locations of random frames, drawn from the seed and the clip id only. If there are more
    clips than `count`, only `count` of them are drawn and read, for one descriptor each.
    """
    read = drawn_clips(ids, count, seed)
    each = -(-count // len(read))
    chosen = []
    for clip in console.track(read, "sampling descriptors", len(read), "clips"):
        maps = torch.from_numpy(read_maps(features / f"{clip}.h5", view=0))  # (T, C, H, W)
        located = maps.permute(0, 2, 3, 1).flatten(0, 2)  # (T*N, C)
        picks = rng_for(seed, clip, 0).choice(len(located), size=min(each, len(located)), replace=False)
        chosen.append(located[torch.from_numpy(picks)].float())
    return unit(torch.cat(chosen), dim=1)


def drawn_clips(ids: Sequence[str], count: int, seed: int) -> Sequence[str]:
    """All clips, or a uniformly random subset of `count` of them, in the same order.

    Each clip draws a random number from the seed and its id only; the clips with the smallest are chosen.
    """
    if len(ids) <= count:
        return ids
    first = set(sorted(ids, key=lambda clip: (rng_for(seed, clip, DRAWN).random(), clip))[:count])
    return [clip for clip in ids if clip in first]


def fit_codebook(descriptors: Tensor, clusters: int, iterations: int, alpha: float, seed: int) -> tuple[Tensor, Fit]:
    """K centres (K, C), float32, of descriptors (M, C) by k-means++ and Lloyd; independent of the number of threads."""
    if clusters > len(descriptors):
        raise ValueError(
            f"{clusters} clusters from {len(descriptors)} descriptors: lower clusters, or raise codebook.descriptors"
        )
    # stage 1 imports this module too, and needs neither
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # parallel sums give different centres in every run
        kmeans = KMeans(clusters, n_init=1, max_iter=iterations, random_state=seed).fit(descriptors.numpy())
        centers = torch.from_numpy(kmeans.cluster_centers_.astype(np.float32))
        confident, netvlad_alpha = _hardness(descriptors, centers, alpha)
    used = len(np.unique(kmeans.labels_))
    facts = Fit(
        len(descriptors), kmeans.n_iter_, float(kmeans.inertia_), clusters - used, alpha, confident, netvlad_alpha
    )
    return centers, facts


def _hardness(descriptors: Tensor, centers: Tensor, alpha: float) -> tuple[float, float]:
    certain, gaps = 0, 0.0
    for part in descriptors.split(8192):
        p = VLAD(centers, alpha, "tied").assign(part.T.unsqueeze(0))[0]  # (K, m)
        certain += int((p.max(dim=0).values > 0.99).sum())
        if len(centers) > 1:
            nearest = torch.cdist(part.double(), centers.double()).square().topk(2, largest=False).values
            gaps += float((nearest[:, 1] - nearest[:, 0]).sum())
    mean_gap = gaps / len(descriptors)
    return certain / len(descriptors), float(np.log(100) / mean_gap) if mean_gap > 0 else 0.0


def save_codebook(file: Path, centers: Tensor, facts: Fit, recipe: str) -> None:
    """Write centres (K, C) and the results of their fit."""
    save_file(
        {"centers": centers}, file, metadata={"tavlad": json.dumps({**asdict(facts), "recipe": recipe}, sort_keys=True)}
    )


def load_codebook(file: Path) -> tuple[Tensor, dict[str, Any]]:
    """The centres (K, C), float32, and the fields of `Fit` with the recipe of the codebook."""
    with safe_open(file, framework="pt") as opened:
        return opened.get_tensor("centers"), json.loads(opened.metadata()["tavlad"])

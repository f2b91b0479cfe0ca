"""Stage 1: GRU and classifier on cached maps; everything before them is fixed (paper, section 4.1). Reads no frame."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tavlad import device as devices
from tavlad.features.cache import read_maps, read_shape
from tavlad.features.views import rng_for
from tavlad.learning.examples import Examples
from tavlad.learning.fitting import Schedule, fit, validator
from tavlad.learning.inference import scores_of_maps
from tavlad.learning.loading import Clips, EpochSampler, loader
from tavlad.learning.parts import HEAD, select
from tavlad.learning.resuming import EpochState, Row
from tavlad.model.tavlad import TAVLAD


def build(centers: Tensor, weights: dict[str, Tensor], classes: int, seed: int, **settings: Any) -> TAVLAD:
    """A model without backbone: VLAD of centres (K, C), attention of the `fc` of ResNet `weights`; the rest seeded."""
    torch.manual_seed(seed)
    model = TAVLAD(centers, classes, **settings)
    if model.attention is not None:
        model.attention.fc.load_state_dict({name: weights[f"fc.{name}"] for name in ("weight", "bias")})
    return model


def train(
    model: TAVLAD, features: Path, training: Examples, validation: Examples, schedule: Schedule, batch: int, seed: int,
    device: torch.device, precision: str, workers: int, state: EpochState, label: str,
) -> list[Row]:  # fmt: skip
    """Train GRU and classifier of `model` in place; the learning curve."""
    model.to(device)
    sampler = EpochSampler(len(training.ids), batch, seed)
    clips = Clips(training.ids, training.labels, partial(_random_view, features, seed))
    batches = loader(clips, sampler, workers, device)
    logits = partial(_logits, model, device, precision)
    validate = validator(model, validation, partial(_scores, model, features, precision, device))
    return fit(model, select(model, HEAD), schedule, logits, batches, sampler, validate, state, label)


def _random_view(features: Path, seed: int, clip: str, epoch: int) -> Tensor:
    """One cached view of a clip (T, C, H, W), drawn from the seed, the clip and the epoch."""
    file = features / f"{clip}.h5"
    return torch.from_numpy(read_maps(file, int(rng_for(seed, clip, epoch).integers(read_shape(file)[0]))))


def _logits(
    model: TAVLAD, device: torch.device, precision: str, ids: Sequence[str], maps: Sequence[Tensor], epoch: int
) -> Tensor:
    inputs = torch.stack(list(maps)).to(device, non_blocking=True).float()
    with devices.autocast(device, precision):
        return model.forward_maps(inputs)


def _scores(model: TAVLAD, features: Path, precision: str, device: torch.device, clip: str) -> np.ndarray:
    return scores_of_maps(model, read_maps(features / f"{clip}.h5", view=0), precision, device)

"""Stage 1: GRU and classifier on cached maps; everything before them is fixed (paper, section 4.1). Reads no frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tavlad import device as devices
from tavlad.device import Speed
from tavlad.features.backbone import load_backbone
from tavlad.features.cache import read_maps, read_shape
from tavlad.features.views import rng_for
from tavlad.inputs import Input, Inputs
from tavlad.learning.checkpoints import Facts
from tavlad.learning.codebook import load_codebook
from tavlad.learning.examples import Examples
from tavlad.learning.fitting import Schedule, fit, validator
from tavlad.learning.inference import scores_of_maps
from tavlad.learning.loading import Clips, EpochSampler, loader
from tavlad.learning.outcome import finish
from tavlad.learning.parts import HEAD, select
from tavlad.learning.resuming import EpochState, Row
from tavlad.making import Place
from tavlad.model.tavlad import TAVLAD


@dataclass(frozen=True)
class Training:
    """Stage 1 of one split: clips and their cached `maps`, where the model starts from, and how it is trained.

    `precision` is "float32" or "bfloat16"; `precision_parameter` may be "auto", which the checkpoint hands on.
    """

    training: Examples
    validation: Examples
    classes: tuple[str, ...]
    maps: Inputs
    backbone: Input
    codebook: Input
    model: Mapping[str, Any]  # keyword arguments of TAVLAD
    schedule: Schedule
    batch: int
    seed: int
    precision: str
    precision_parameter: str
    deterministic: bool


def make(place: Place, wanted: Training, speed: Speed) -> None:
    """Write model.safetensors and curve.csv to the folder `place`."""
    if wanted.deterministic:
        devices.make_deterministic()
    centers, _ = load_codebook(wanted.codebook.path)
    weights = load_backbone(wanted.backbone.path)
    model = build(centers, weights, len(wanted.classes), wanted.seed, **wanted.model)
    curve = train(model, wanted, speed, EpochState(place))
    finish(place, model, Facts(wanted.classes, wanted.precision_parameter, place.key), curve)


def build(centers: Tensor, weights: dict[str, Tensor], classes: int, seed: int, **settings: Any) -> TAVLAD:
    """A model without backbone: VLAD of centres (K, C), attention of the `fc` of ResNet `weights`; the rest seeded."""
    torch.manual_seed(seed)
    model = TAVLAD(centers, classes, **settings)
    if model.attention is not None:
        model.attention.fc.load_state_dict({name: weights[f"fc.{name}"] for name in ("weight", "bias")})
    return model


def train(model: TAVLAD, wanted: Training, speed: Speed, state: EpochState) -> list[Row]:
    """Train GRU and classifier of `model` in place; the learning curve."""
    model.to(speed.device)
    training, features = wanted.training, wanted.maps.folder
    sampler = EpochSampler(len(training.ids), wanted.batch, wanted.seed)
    clips = Clips(training.ids, training.labels, partial(_random_view, features, wanted.seed))
    batches = loader(clips, sampler, speed.workers, speed.device)
    logits = partial(_logits, model, speed.device, wanted.precision)
    validate = validator(model, wanted.validation, partial(_scores, model, features, wanted.precision, speed.device))
    return fit(model, select(model, HEAD), wanted.schedule, logits, batches, sampler, validate, state, speed.label)


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

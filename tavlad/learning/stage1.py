"""Stage 1: train GRU and classifier on cached maps; the rest is fixed (paper, section 4.1). Reads no frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tavlad import device as devices
from tavlad.data.table import Examples
from tavlad.device import Speed
from tavlad.features.backbone import Weights, load_backbone
from tavlad.features.cache import read_maps, read_shape
from tavlad.learning.checkpoints import EpochState, Facts, finish
from tavlad.learning.codebook import load_codebook
from tavlad.learning.curve import Row
from tavlad.learning.dropout import SharedDropout
from tavlad.learning.fitting import HEAD, Feed, Schedule, fit, select
from tavlad.learning.inference import scores_of_maps
from tavlad.learning.loading import Clips, EpochSampler, Tensors, loader
from tavlad.learning.validation import validator
from tavlad.learning.weighting import clip_weights
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD
from tavlad.store.inputs import Input, Inputs, rng_for
from tavlad.store.making import Place


@dataclass(frozen=True)
class Stage1:
    """Stage 1 of one split: clips and their cached `maps`, the initial model, and the settings of training.

    `precision` is "float32" or "bfloat16"; `precision_parameter`, possibly "auto", is passed on to the checkpoint.
    """

    training: Examples
    validation: Examples
    classes: tuple[str, ...]
    maps: Inputs
    backbone: Input
    codebook: Input
    model: ModelSettings
    schedule: Schedule
    batch: int
    seed: int
    precision: str
    precision_parameter: str
    deterministic: bool
    processes: int = 1  # they share each batch, and their sums round differently


def make_stage1(place: Place | None, wanted: Stage1, speed: Speed) -> None:
    """Write model.safetensors and curve.csv to the folder `place`; without one, help the process that has it."""
    if wanted.deterministic:
        devices.make_deterministic()
    centers, _ = load_codebook(wanted.codebook.path)
    weights = load_backbone(wanted.backbone.path)
    model = build_model(centers, weights, wanted.model, wanted.seed)
    curve = train_stage1(model, wanted, speed, EpochState(place))
    if place is not None:
        finish(place, model, Facts(wanted.classes, wanted.precision_parameter, place.key), curve)


def build_model(centers: Tensor, weights: Weights, settings: ModelSettings, seed: int) -> TAVLAD:
    """A model without backbone: VLAD of centres (K, C), attention from the classifier of `weights`, the rest seeded."""
    torch.manual_seed(seed)
    model = TAVLAD(centers, settings)
    if model.attention is not None:
        model.attention.fc.load_state_dict(weights.classifier())
    return model


def train_stage1(model: TAVLAD, wanted: Stage1, speed: Speed, state: EpochState) -> list[Row]:
    """Train GRU and classifier of `model` in place and return the learning curve."""
    model.dropout = SharedDropout(model.dropout.p)
    model.to(speed.device)
    training, features = wanted.training, wanted.maps.folder
    sampler = EpochSampler(len(training.ids), wanted.batch, wanted.seed)
    clips = Clips(training.ids, training.labels, partial(_random_view, features, wanted.seed))
    feed = Feed(
        loader(clips, sampler, speed.workers, speed.device),
        sampler,
        partial(_logits, model, speed.device, wanted.precision),
        clip_weights(wanted.schedule.class_weights, training.labels, wanted.model.classes),
    )
    scores = partial(scores_of_maps, model, precision=wanted.precision, device=speed.device)
    validate = validator(model, wanted.validation, partial(_centre_view, features), scores, speed.workers)
    return fit(model, select(model, HEAD), wanted.schedule, feed, validate, state, speed.label)


def _random_view(features: Path, seed: int, clip: str, epoch: int) -> Tensor:
    """One cached view of a clip (T, C, H, W), drawn from the seed, the clip and the epoch."""
    file = features / f"{clip}.h5"
    return torch.from_numpy(read_maps(file, int(rng_for(seed, clip, epoch).integers(read_shape(file)[0]))))


def _logits(
    model: TAVLAD, device: torch.device, precision: str, ids: Sequence[str], maps: Tensors, epoch: int
) -> Tensor:
    assert isinstance(maps, Tensor), "the maps of all clips have one shape"
    inputs = maps.to(device, non_blocking=True).float()
    with devices.autocast(device, precision):
        return model.forward_maps(inputs)


def _centre_view(features: Path, clip: str) -> np.ndarray:
    return read_maps(features / f"{clip}.h5", view=0)

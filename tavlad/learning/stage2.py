"""Stage 2: train last stage, ImageNet classifier, VLAD, GRU and classifier end to end (paper, section 4.1)."""

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
from tavlad.features.views import Draw, as_seen, draw_augmentation, square_of
from tavlad.learning.checkpoints import EpochState, Facts, finish, load_checkpoint
from tavlad.learning.curve import Row
from tavlad.learning.dropout import SharedDropout
from tavlad.learning.fitting import Feed, Schedule, fit, select
from tavlad.learning.inference import class_scores
from tavlad.learning.loading import Clips, EpochSampler, Tensors, loader
from tavlad.learning.validation import validator
from tavlad.learning.weighting import clip_weights
from tavlad.model.backbone import memory_layout
from tavlad.model.precision import DTYPES
from tavlad.model.tavlad import TAVLAD
from tavlad.store.inputs import Input, Inputs, rng_for
from tavlad.store.making import Place
from tavlad.video.frames import read_frame_facts
from tavlad.video.jpeg import load_frames


@dataclass(frozen=True)
class Stage2:
    """Stage 2 of one split: clips and their stored `frames`, the model of stage 1, and the settings of training.

    `precision` is "float32" or "bfloat16"; `precision_parameter`, possibly "auto", is passed on to the checkpoint.
    """

    training: Examples
    validation: Examples
    frames: Inputs
    backbone: Input
    stage1: Input
    parts: tuple[str, ...]
    schedule: Schedule
    batch: int
    crop: int
    augment: bool
    dropout: float
    seed: int
    precision: str
    precision_parameter: str
    deterministic: bool
    processes: int = 1  # they share each batch, and their sums round differently


def make_stage2(place: Place | None, wanted: Stage2, speed: Speed) -> None:
    """Write model.safetensors and curve.csv to the folder `place`; without one, help the process that has it."""
    if wanted.deterministic:
        devices.make_deterministic()
    model, before = load_checkpoint(wanted.stage1.path)
    attach_backbone(model, load_backbone(wanted.backbone.path))
    curve = train_stage2(model, wanted, speed, EpochState(place))
    if place is not None:
        path = frame_path(wanted.frames.file(wanted.training.ids[0]))
        facts = Facts(before.classes, wanted.precision_parameter, place.key, crop=wanted.crop, **path)
        finish(place, model, facts, curve)


def attach_backbone(model: TAVLAD, weights: Weights) -> None:
    """Attach to a stage 1 model the network whose maps it was trained on."""
    model.attach(weights.backbone(pre_relu=model.settings.features == "pre_relu"))


def frame_path(file: Path) -> dict[str, int]:
    """The preprocessing of the frames in `file`, which a checkpoint records for new clips."""
    count, height, width, _ = load_frames(file).shape
    return {"frames": count, "short_side": min(height, width), "jpeg_quality": read_frame_facts(file)["jpeg_quality"]}


def train_stage2(model: TAVLAD, wanted: Stage2, speed: Speed, state: EpochState) -> list[Row]:
    """Train the parts of `model` in place from the frame store and return the learning curve."""
    model.dropout = SharedDropout(wanted.dropout)
    model.to(speed.device)
    model.to(memory_format=memory_layout(speed.device, DTYPES[wanted.precision], model.settings.network))
    training = wanted.training
    sampler = EpochSampler(len(training.ids), wanted.batch, wanted.seed)
    clips = Clips(training.ids, training.labels, partial(_square, wanted))
    feed = Feed(
        loader(clips, sampler, speed.workers, speed.device),
        sampler,
        partial(_logits, model, wanted, speed.device),
        clip_weights(wanted.schedule.class_weights, training.labels, model.settings.classes),
    )
    scores = partial(class_scores, model, crop=wanted.crop, precision=wanted.precision, device=speed.device)
    validate = validator(model, wanted.validation, partial(_frames, wanted), scores, speed.workers)
    parts = select(model, wanted.parts)
    return fit(model, parts, wanted.schedule, feed, validate, state, speed.label)


def _draw(wanted: Stage2, clip: str, epoch: int) -> Draw | None:
    """The augmentation of a clip in an epoch; None for the centre crop."""
    return draw_augmentation(rng_for(wanted.seed, clip, epoch)) if wanted.augment else None


def _frames(wanted: Stage2, clip: str) -> np.ndarray:
    return load_frames(wanted.frames.file(clip))


def _square(wanted: Stage2, clip: str, epoch: int) -> Tensor:
    """The crop of a clip's frames that the network needs, uint8 (T,side,side,3): workers send no other pixels."""
    frames = torch.from_numpy(_frames(wanted, clip))
    return square_of(frames, _draw(wanted, clip, epoch), wanted.crop).contiguous()


def _logits(
    model: TAVLAD, wanted: Stage2, device: torch.device, ids: Sequence[str], squares: Tensors, epoch: int
) -> Tensor:
    views = []
    for clip, square in zip(ids, squares, strict=True):
        square = square.to(device, non_blocking=True)  # converted to float and resized there
        views.append(as_seen(square, _draw(wanted, clip, epoch), wanted.crop))
    with devices.autocast(device, wanted.precision):
        logits: Tensor = model(model.network().normalised(torch.stack(views)))
    return logits

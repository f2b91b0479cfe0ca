"""Stage 2: layer 4, ImageNet classifier, VLAD, GRU and classifier, end to end from frames (paper, section 4.1)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tavlad import device as devices
from tavlad.features.views import augmented_view, centre_view, draw, rng_for
from tavlad.learning.examples import Examples
from tavlad.learning.fitting import Schedule, fit, validator
from tavlad.learning.inference import class_scores
from tavlad.learning.loading import Clips, EpochSampler, loader
from tavlad.learning.parts import Named
from tavlad.learning.resuming import EpochState, Row
from tavlad.model.resnet import Backbone
from tavlad.model.tavlad import TAVLAD
from tavlad.video.frames import read_facts, read_frames_file


def attach_backbone(model: TAVLAD, weights: dict[str, Tensor]) -> None:
    """Give a stage 1 model the ResNet-34 (torchvision's names) whose maps it was trained on."""
    backbone = Backbone(pre_relu=model.settings["features"] == "pre_relu")
    backbone.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("fc.")})
    model.attach(backbone)


def frame_path(frames: Path, training: Examples) -> dict[str, int]:
    """How the frames that the model was trained on were made, as a checkpoint records it for new clips."""
    file = frames / f"{training.ids[0]}.h5"
    count, height, width, _ = read_frames_file(file).shape
    return {"frames": count, "short_side": min(height, width), "jpeg_quality": read_facts(file)["jpeg_quality"]}


def train(
    model: TAVLAD, parts: dict[str, Named], frames: Path, training: Examples, validation: Examples, schedule: Schedule,
    batch: int, crop: int, augment: bool, seed: int, device: torch.device, precision: str, workers: int,
    state: EpochState, label: str,
) -> list[Row]:  # fmt: skip
    """Train `parts` of `model` in place from the frame store; the learning curve."""
    model.to(device)
    model.to(memory_format=torch.channels_last)  # the faster layout for the convolutions
    sampler = EpochSampler(len(training.ids), batch, seed)
    clips = Clips(training.ids, training.labels, partial(_stored_frames, frames))
    batches = loader(clips, sampler, workers, device)
    logits = partial(_logits, model, device, precision, crop, seed if augment else None)
    validate = validator(model, validation, partial(_scores, model, frames, crop, precision, device))
    return fit(model, parts, schedule, logits, batches, sampler, validate, state, label)


def _stored_frames(frames: Path, clip: str, epoch: int) -> Tensor:
    return torch.from_numpy(read_frames_file(frames / f"{clip}.h5"))


def _logits(
    model: TAVLAD, device: torch.device, precision: str, crop: int, augment_seed: int | None,
    ids: Sequence[str], clips: Sequence[Tensor], epoch: int,
) -> Tensor:  # fmt: skip
    views = []
    for clip, frames in zip(ids, clips, strict=True):
        frames = frames.to(device, non_blocking=True)  # cropped and resized there, all frames of a clip at once
        if augment_seed is None:
            views.append(centre_view(frames, crop))
        else:
            views.append(augmented_view(frames, draw(rng_for(augment_seed, clip, epoch)), crop))
    with devices.autocast(device, precision):
        logits: Tensor = model(torch.stack(views))
    return logits


def _scores(model: TAVLAD, frames: Path, crop: int, precision: str, device: torch.device, clip: str) -> np.ndarray:
    return class_scores(model, read_frames_file(frames / f"{clip}.h5"), crop, precision, device)

"""Scoring the held-out clips of a split, one by one: logits and attention. Used in evaluation only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.models import ResNet34_Weights

from tavlad import console
from tavlad.data.table import Examples
from tavlad.device import Speed, make_deterministic
from tavlad.errors import InputError
from tavlad.features import cache
from tavlad.learning.checkpoints import load_checkpoint
from tavlad.learning.clip_attention import ClipAttention, save_attention
from tavlad.learning.inference import cached_maps, logits_of, maps_of_frames
from tavlad.learning.loading import read_ahead
from tavlad.learning.orders import SCORED, other_orders
from tavlad.learning.scores import Predictions
from tavlad.model.precision import exact, unit
from tavlad.model.tavlad import TAVLAD
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import Place
from tavlad.video.jpeg import load_frames

CATEGORIES: list[str] = ResNet34_Weights.IMAGENET1K_V1.meta["categories"]  # of ImageNet; this downloads nothing
CONFIDENT = 0.99  # above this, an assignment is practically hard


def attention_of_clip(model: TAVLAD, maps: Tensor, seen: Tensor) -> ClipAttention:
    """Attention and cluster use of `model` in one clip, from the maps to encode and to attend by, both (1,T,C,H,W)."""
    attention, winners, empty, confident = None, None, float("nan"), float("nan")
    with torch.inference_mode():
        if model.attention is not None:
            attended = model.activated(seen[0])
            attention = model.attention(attended).float().cpu().numpy()
            winners = tuple(CATEGORIES[number] for number in model.attention.winner(attended).tolist())
        if model.settings.pooling == "vlad":
            highest, nearest = model.vlad.assign(unit(exact(maps[0]).flatten(2), dim=1)).max(dim=1)  # (T, N) each
            empty = 1 - len(nearest.unique()) / model.clusters
            confident = float((highest > CONFIDENT).float().mean())
    return ClipAttention(attention, winners, empty, confident)


Read = Callable[[Path], np.ndarray]  # a clip's file -> its frames, or its maps
Scored = tuple[np.ndarray, ClipAttention]  # logits float32 (Y), or (orders, Y), and attention

READ: dict[str, Read] = {"stage1": partial(cache.read_maps, view=0), "stage2": load_frames}


class Scorer:
    """The only path from a clip to its logits and attention: a checkpoint's model, on `device`, one clip at a time.

    `precision` defaults to the checkpoint's; evaluation and prediction give the same bits.
    """

    def __init__(self, checkpoint: Path, device: torch.device, precision: str = ""):
        self.model, self.facts = load_checkpoint(checkpoint)
        self.model.to(device)
        self.checkpoint, self.device, self.precision = checkpoint, device, precision or self.facts.precision

    def of_maps(self, maps: np.ndarray) -> Scored:
        """Logits (Y) and attention of cached maps float16 (T,C,H,W)."""
        return self._scored(*self._cached(maps))

    def of_frames(self, frames: np.ndarray) -> Scored:
        """Logits (Y) and attention of stored frames uint8 (T,H,W,3); ValueError for a model of stage 1."""
        return self._scored(*self._maps(frames))

    def in_all_orders(self, stage: str, clip: str, values: np.ndarray) -> Scored:
        """Like `of_maps` ("stage1") or `of_frames` ("stage2"), but with logits (3, Y) in each order of `SCORED`.

        The maps are computed once; the rest runs separately in each order, so the logits as filmed keep their bits.
        """
        maps, seen = self._maps(values) if stage == "stage2" else self._cached(values)
        filmed, attended = self._scored(maps, seen)
        orders = other_orders(clip, len(values))
        others = [logits_of(self.model, maps[:, order], seen[:, order], self.precision) for order in orders]
        return np.stack([filmed, *others]), attended

    def after_each_frame(self, frames: np.ndarray) -> Scored:
        """Like `of_frames`, but with logits (T, Y) after the first frame, the first two, ... and all T."""
        maps, seen = self._maps(frames)
        steps = range(1, len(frames) + 1)
        logits = [logits_of(self.model, maps[:, :t], seen[:, :t], self.precision) for t in steps]
        return np.stack(logits), attention_of_clip(self.model, maps, seen)

    def _scored(self, maps: Tensor, seen: Tensor) -> Scored:
        return logits_of(self.model, maps, seen, self.precision), attention_of_clip(self.model, maps, seen)

    def _cached(self, maps: np.ndarray) -> tuple[Tensor, Tensor]:
        cached = cached_maps(maps, self.device)
        return cached, cached

    def _maps(self, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        if self.facts.crop is None:
            raise ValueError(f"{self.checkpoint} is not a stage 2 checkpoint: it was trained without frames")
        return maps_of_frames(self.model, frames, self.facts.crop, self.precision, self.device)


@dataclass(frozen=True)
class Scoring:
    """The clips to score by the `model` of "stage1" (`inputs` are maps) or "stage2" (frames), and the precision."""

    stage: str
    examples: Examples
    classes: tuple[str, ...]
    inputs: Inputs
    model: Input
    precision: str
    deterministic: bool


def make_scores(place: Place, wanted: Scoring, speed: Speed) -> None:
    """Write the predictions in each order of `SCORED` and attention.h5 to the folder `place`."""
    if wanted.deterministic:
        make_deterministic()
    scorer = Scorer(wanted.model.path, speed.device, wanted.precision)
    if scorer.facts.classes != wanted.classes:
        named = f"{wanted.model.path} was trained on different classes than the index lists, or in a different order"
        raise ValueError(named)
    score = partial(scorer.in_all_orders, wanted.stage)

    def read(clip: str) -> np.ndarray:
        return READ[wanted.stage](wanted.inputs.file(clip))

    made, attended = predict_clips(wanted.examples, wanted.classes, read, score, speed.workers, speed.label)
    place.path.mkdir()
    for name, predictions in zip(SCORED.values(), made, strict=True):
        predictions.save(place.path / f"{name}.h5")
    save_attention(place.path / "attention.h5", wanted.examples.ids, attended)


def require_files(examples: Examples, folders: Sequence[Path]) -> None:
    """Raise `InputError` naming every held-out clip without a file in one of `folders`, or if there are none."""
    files = [(clip, folder / f"{clip}.h5") for folder in folders for clip in examples.ids]
    rows = [(clip, f"{file} is missing") for clip, file in files if not file.exists()]
    if not examples.ids:
        rows = [("test", "the split has no held-out clips")]
    if rows:
        raise InputError("held-out clips cannot be scored", rows, "`dvc repro` runs the stages that make them.")


def predict_clips(
    examples: Examples,
    classes: tuple[str, ...],
    read: Callable[[str], np.ndarray],
    score: Callable[[str, np.ndarray], Scored],
    workers: int,
    label: str,
) -> tuple[list[Predictions], list[ClipAttention]]:
    """Predictions of `examples` for each row of the logits (orders, Y) that `score` gives for an id, and attention.

    `workers` threads read ahead; `label` names the progress bar.
    """
    inputs = console.track(read_ahead(read, examples.ids, workers), label, len(examples.ids), "clips")
    logits, attended = zip(*map(score, examples.ids, inputs), strict=True)
    labels = np.asarray(examples.labels, np.int64)
    made = [Predictions(examples.ids, labels, scores, classes) for scores in np.stack(logits, axis=1)]
    return made, list(attended)

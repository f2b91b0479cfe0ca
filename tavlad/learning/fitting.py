"""The parts of a model that a stage may train, and the training loop of both stages."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad import console
from tavlad.errors import TavladError
from tavlad.learning.checkpoints import EpochState, Named, Progress
from tavlad.learning.curve import Row
from tavlad.learning.dropout import SharedDropout
from tavlad.learning.loading import Batch, Clips, EpochSampler, Loader, Tensors, mix
from tavlad.learning.processes import rank, sum_gradients, summed
from tavlad.model.settings import Part
from tavlad.model.tavlad import TAVLAD

PARTS: tuple[Part, ...] = get_args(Part)
HEAD = ("gru", "classifier")  # what stage 1 trains; with its own learning rate in stage 2


def select(model: TAVLAD, parts: Sequence[str]) -> dict[str, Named]:
    """Freeze `model` except for `parts`; the parameters of each part by name, without parts that the variant lacks."""
    model.requires_grad_(False)
    chosen: dict[str, Named] = {part: {} for part in parts}
    for name, parameter in model.named_parameters():
        part = part_of_parameter(name, model)
        if part in chosen:
            parameter.requires_grad_(True)
            chosen[part][name] = parameter
    return {part: named for part, named in chosen.items() if named}


def part_of_parameter(name: str, model: TAVLAD) -> str | None:
    """The part that the parameter `name` of `model` belongs to; None if it is never trained."""
    room, _, rest = name.partition(".")
    if room == "backbone":
        return model.network().part_of(rest)
    if room == "attention":
        # a decoupled attention branch is never fine-tuned
        return "fc" if model.settings.attention == "joint" else None
    return {"vlad": "vlad", "temporal": "gru", "classifier": "classifier"}.get(room)


Logits = Callable[[Sequence[str], Tensors, int], Tensor]  # (clip ids, inputs, epoch) -> logits (B, Y)


@dataclass(frozen=True)
class Schedule:
    """The hyperparameters of one stage's training; `clip` is the largest gradient norm, 0 for no clipping."""

    epochs: int
    lr: float
    lr_head: float
    halve_every: int
    micro_batch: int
    clip: float
    eps: float
    weight_decay: float
    class_weights: str = "none"

    def rate(self, epoch: int) -> float:
        """The factor on both learning rates: halved every `halve_every` epochs."""
        return float(0.5 ** (epoch // self.halve_every))


def adam(parts: Mapping[str, Named], schedule: Schedule) -> torch.optim.Adam:
    """Adam over the parts: GRU and classifier at `lr_head`, the rest at `lr`, without weight decay on W, b and c."""
    groups = [
        {
            "params": list(named.values()),
            "initial_lr": schedule.lr_head if part in HEAD else schedule.lr,
            "weight_decay": 0.0 if part == "vlad" else schedule.weight_decay,
        }
        for part, named in parts.items()
    ]
    return torch.optim.Adam(groups, lr=schedule.lr, eps=schedule.eps)


@dataclass(frozen=True)
class Feed:
    """The batches of an epoch, how the model scores clips, and the weight of each class in the loss (Y; None: 1)."""

    batches: Loader
    sampler: EpochSampler
    logits: Logits
    weights: Tensor | None = None

    def ids_of(self, batch: Sequence[int]) -> list[str]:
        """The clip ids of a batch, over all processes."""
        clips = self.batches.dataset
        assert isinstance(clips, Clips), "it is what tavlad.learning.loading.loader was given"
        return [clips.ids[index] for index in batch]


def fit(
    model: nn.Module,
    parts: Mapping[str, Named],
    schedule: Schedule,
    feed: Feed,
    validate: Callable[[], float] | None,
    state: EpochState,
    label: str,
) -> list[Row]:
    """Train `parts` of `model` in place and return the learning curve, one row per epoch.

    Keeps the last epoch, or with `validate` the epoch of the best validation accuracy (the first among equals).
    Resuming from `state` gives the same bits as an uninterrupted run. A non-finite loss is an error naming the clips.
    All processes of a training call it, and end with the same weights.
    """
    named = {name: parameter for part in parts.values() for name, parameter in part.items()}
    optimiser = adam(parts, schedule)
    progress, sampler = state.load(named, optimiser), feed.sampler
    with console.bar(label, schedule.epochs * sampler.count, "clips") if rank() == 0 else _silence() as advance:
        advance(len(progress.curve) * sampler.count)
        for epoch in range(len(progress.curve), schedule.epochs):
            torch.manual_seed(mix(sampler.seed, epoch))  # dropout
            sampler.epoch = epoch
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * schedule.rate(epoch)
            row = _epoch(model, optimiser, schedule, feed, epoch, advance)
            _remember(progress, row, named, validate)
            state.save(progress, named, optimiser)
    if progress.best is not None:
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(progress.best[name])
    return progress.curve


@contextmanager
def _silence() -> Iterator[Callable[..., None]]:
    """No progress bar: that of process 0 counts the clips of all processes."""
    yield lambda *_: None


def _remember(progress: Progress, row: Row, named: Named, validate: Callable[[], float] | None) -> None:
    if validate is not None:
        row["validation"] = validate()
        if all(row["validation"] > earlier["validation"] for earlier in progress.curve):
            progress.best = {name: parameter.detach().clone() for name, parameter in named.items()}
    progress.curve.append(row)


def _epoch(
    model: nn.Module,
    optimiser: torch.optim.Adam,
    schedule: Schedule,
    feed: Feed,
    epoch: int,
    advance: Callable[..., None],
) -> Row:
    model.train()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    loss_sum, right, seen = 0.0, 0.0, 0
    for whole, batch in zip(feed.sampler.batches(), feed.batches, strict=True):
        optimiser.zero_grad(set_to_none=True)
        for dropout in (module for module in model.modules() if isinstance(module, SharedDropout)):
            dropout.begin(len(whole), schedule.micro_batch)
        batch_loss, hits = summed(_gradients(batch, len(whole), schedule.micro_batch, feed, epoch))
        if not math.isfinite(batch_loss) and rank() == 0:  # the others notice that it is gone, and exit silently
            raise not_finite(epoch, feed.ids_of(whole))
        sum_gradients(parameters)
        if schedule.clip > 0:
            torch.nn.utils.clip_grad_norm_(parameters, schedule.clip)
        optimiser.step()
        loss_sum, right, seen = loss_sum + batch_loss, right + hits, seen + len(whole)
        advance(len(whole), f"epoch {epoch + 1} loss {loss_sum / seen:.3f}")
    return {"loss": loss_sum / seen, "accuracy": right / seen, "lr": optimiser.param_groups[0]["lr"]}


def _gradients(batch: Batch, clips: int, micro_batch: int, feed: Feed, epoch: int) -> tuple[float, int]:
    """Add the gradients of this process's part of a batch of `clips`; its share of the loss and of correct clips."""
    batch_loss, right = 0.0, 0
    for start in range(0, len(batch.ids), micro_batch):
        chunk = slice(start, start + micro_batch)
        scores = feed.logits(batch.ids[chunk], batch.inputs[chunk], epoch)
        labels = batch.labels[chunk].to(scores.device)
        weights = None if feed.weights is None else feed.weights.to(scores)
        loss = F.cross_entropy(scores, labels, weights, reduction="sum")
        (loss / clips).backward()
        batch_loss += loss.item()
        right += int((scores.argmax(dim=1) == labels).sum())
    return batch_loss, right


def not_finite(epoch: int, ids: Sequence[str]) -> TavladError:
    """The error of a loss that is NaN or infinite."""
    advice = "Lower the learning rate or set clip, or look at these clips' feature files; the last whole epoch is kept."
    return TavladError(
        "training stopped", [(clip, f"in the batch of a non-finite loss, epoch {epoch + 1}") for clip in ids], advice
    )

"""The training loop of both stages: Adam, halved learning rates, clipped gradients, a state to resume from."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad import console
from tavlad.learning.examples import Examples
from tavlad.learning.loading import EpochSampler, Loader, mix
from tavlad.learning.parts import HEAD, Named
from tavlad.learning.resuming import EpochState, Progress, Row

Logits = Callable[[Sequence[str], Sequence[Tensor], int], Tensor]  # (clip ids, inputs, epoch) -> logits (B, Y)


@dataclass(frozen=True)
class Schedule:
    """One stage's training numbers; `clip` is the largest gradient norm, 0 for none."""

    epochs: int
    lr: float
    lr_head: float
    halve_every: int
    micro_batch: int
    clip: float
    eps: float
    weight_decay: float

    def rate(self, epoch: int) -> float:
        """The factor on both learning rates: halved every `halve_every` epochs."""
        return float(0.5 ** (epoch // self.halve_every))


def adam(parts: Mapping[str, Named], schedule: Schedule) -> torch.optim.Adam:
    """Adam over the parts; GRU and classifier at `lr_head`, the rest at `lr`, and no weight decay on W, b and c."""
    groups = [
        {
            "params": list(named.values()),
            "initial_lr": schedule.lr_head if part in HEAD else schedule.lr,
            "weight_decay": 0.0 if part == "vlad" else schedule.weight_decay,
        }
        for part, named in parts.items()
    ]
    return torch.optim.Adam(groups, lr=schedule.lr, eps=schedule.eps)


def fit(
    model: nn.Module, parts: Mapping[str, Named], schedule: Schedule, logits: Logits, batches: Loader,
    sampler: EpochSampler, validate: Callable[[], float] | None, state: EpochState, label: str,
) -> list[Row]:  # fmt: skip
    """Train `parts` of `model` in place and return the learning curve, a row an epoch.

    The last epoch is kept, or with `validate` the epoch of the best validation accuracy (the first of equals).
    Resumed from `state`, it gives the same bits as uninterrupted. A loss that is not finite stops with the clips' ids.
    """
    named = {name: parameter for part in parts.values() for name, parameter in part.items()}
    optimiser = adam(parts, schedule)
    progress = state.load(named, optimiser)
    with console.bar(label, schedule.epochs * sampler.count, "clips") as advance:
        advance(len(progress.curve) * sampler.count)
        for epoch in range(len(progress.curve), schedule.epochs):
            torch.manual_seed(mix(sampler.seed, epoch))  # dropout
            sampler.epoch = epoch
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * schedule.rate(epoch)
            row = _epoch(model, optimiser, schedule, logits, batches, epoch, advance)
            _remember(progress, row, named, validate)
            state.save(progress, named, optimiser)
    if progress.best is not None:
        for name, parameter in named.items():
            parameter.data.copy_(progress.best[name])
    return progress.curve


def validator(model: nn.Module, examples: Examples, scores: Callable[[str], np.ndarray]) -> Callable[[], float] | None:
    """The accuracy of `scores`, clip id -> logits (Y), on a validation part; None where that part is empty."""
    if not examples.ids:
        return None

    def accuracy() -> float:
        model.eval()
        hits = [int(scores(clip).argmax()) == label for clip, label in zip(examples.ids, examples.labels, strict=True)]
        return sum(hits) / len(hits)

    return accuracy


def _remember(progress: Progress, row: Row, named: Named, validate: Callable[[], float] | None) -> None:
    if validate is not None:
        row["validation"] = validate()
        if all(row["validation"] > earlier["validation"] for earlier in progress.curve):
            progress.best = {name: parameter.detach().clone() for name, parameter in named.items()}
    progress.curve.append(row)


def _epoch(
    model: nn.Module, optimiser: torch.optim.Adam, schedule: Schedule, logits: Logits, batches: Loader,
    epoch: int, advance: Callable[..., None],
) -> Row:  # fmt: skip
    model.train()
    loss_sum, right, seen = 0.0, 0, 0
    for batch in batches:
        optimiser.zero_grad(set_to_none=True)
        batch_loss = 0.0
        for start in range(0, len(batch.ids), schedule.micro_batch):
            chunk = slice(start, start + schedule.micro_batch)
            scores = logits(batch.ids[chunk], batch.inputs[chunk], epoch)
            labels = batch.labels[chunk].to(scores.device)
            loss = F.cross_entropy(scores, labels, reduction="sum")
            (loss / len(batch.ids)).backward()
            batch_loss += loss.item()
            right += int((scores.argmax(dim=1) == labels).sum())
        if not math.isfinite(batch_loss):
            raise not_finite(epoch, batch.ids)
        if schedule.clip > 0:
            torch.nn.utils.clip_grad_norm_(
                (p for group in optimiser.param_groups for p in group["params"]), schedule.clip
            )
        optimiser.step()
        loss_sum, seen = loss_sum + batch_loss, seen + len(batch.ids)
        advance(len(batch.ids), f"epoch {epoch + 1} loss {loss_sum / seen:.3f}")
    return {"loss": loss_sum / seen, "accuracy": right / seen, "lr": optimiser.param_groups[0]["lr"]}


def not_finite(epoch: int, ids: Sequence[str]) -> console.Failures:
    """The error of a loss that is NaN or infinite."""
    advice = "Lower the learning rate or set clip, or look at these clips' feature files; the last whole epoch is kept."
    return console.Failures(
        "training stopped", [(clip, f"in the batch of a non-finite loss, epoch {epoch + 1}") for clip in ids], advice
    )

"""The processes of one training, started by torch's launcher: the rank, its share, sums over all processes.

With a single process, as without the launcher, nothing here changes any bit.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

Value = TypeVar("Value")


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share_of(clips: int) -> slice:
    """This process's slice of `clips`; the first processes have one more if they cannot be divided evenly."""
    each, more = divmod(clips, count())
    start = rank() * each + min(rank(), more)
    return slice(start, start + each + (rank() < more))


def summed(values: Sequence[float]) -> list[float]:
    """Each of `values` summed over the processes, in float64."""
    if count() == 1:
        return list(values)
    totals = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(totals)
    sums: list[float] = totals.tolist()
    return sums


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sum the gradients over the processes; a process without clips adds zeros.

    A parameter without a gradient in any process keeps none, like the fc bias, which CAMs do not use; Adam skips it.
    """
    if count() == 1:
        return
    chosen = list(parameters)
    present = summed([float(p.grad is not None) for p in chosen])
    moved = [p for p, anywhere in zip(chosen, present, strict=True) if anywhere]
    for p in moved:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    gradients = [p.grad for p in moved if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def from_first(make: Callable[[], Value]) -> Value:
    """The result of `make`, which is called in process 0 only, in all processes."""
    if count() == 1:
        return make()
    held = [make() if rank() == 0 else None]
    dist.broadcast_object_list(held, device=torch.device("cpu"))
    value: Value = held[0]  # type: ignore[assignment]
    return value

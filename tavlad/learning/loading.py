"""Clips in batches: the data of an epoch depend on seed, epoch and clip ids, never on the number of workers."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from tavlad.learning.processes import share_of

Values = TypeVar("Values")
Read = Callable[[str, int], Tensor]  # (clip id, epoch) -> that clip's tensor
Loader = DataLoader[Any]  # yields Batch
Tensors = Tensor | list[Tensor]  # of several clips: stacked if all shapes are equal, not so for augmented crops


class Batch(NamedTuple):
    """This process's clips in one step, possibly none."""

    ids: list[str]
    inputs: Tensors
    labels: Tensor


class Clips(Dataset[Any]):
    """Clip ids and labels, read by (index, epoch); `read` opens the file itself, so no open file is pickled."""

    def __init__(self, ids: Sequence[str], labels: Sequence[int], read: Read):
        self.ids, self.labels, self.read = list(ids), list(labels), read

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: tuple[int, int]) -> tuple[str, Tensor, int]:
        index, epoch = position
        return self.ids[index], self.read(self.ids[index], epoch), self.labels[index]


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """This process's share of batches of (index, epoch), in an order drawn from the seed and the epoch.

    Set `epoch` before each pass.
    """

    def __init__(self, count: int, batch: int, seed: int):
        self.count, self.batch, self.seed, self.epoch = count, batch, seed, 0

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for indices in self.batches():
            yield [(index, self.epoch) for index in indices[share_of(len(indices))]]

    def batches(self) -> Iterator[list[int]]:
        """The indices of each batch, over all processes."""
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        order = torch.randperm(self.count, generator=generator).tolist()
        for start in range(0, self.count, self.batch):
            yield order[start : start + self.batch]


def mix(seed: int, epoch: int) -> int:
    """The seed of an epoch, so that a resumed training draws the same numbers as an uninterrupted one."""
    return (seed * 1_000_003 + epoch) % 2**63


def loader(clips: Clips, sampler: EpochSampler, workers: int, device: torch.device) -> Loader:
    """Batches of `clips` in the order of `sampler`; loaded by worker processes for a GPU, in this process on a CPU."""
    processes = workers if device.type == "cuda" else 0
    return DataLoader(
        clips,
        batch_sampler=sampler,
        collate_fn=_collate,
        num_workers=processes,
        persistent_workers=processes > 0,
        pin_memory=device.type == "cuda",
    )


def _collate(items: list[tuple[str, Tensor, int]]) -> Batch:
    if not items:  # fewer clips than processes
        return Batch([], [], torch.tensor([], dtype=torch.long))
    ids, inputs, labels = map(list, zip(*items, strict=True))
    one_shape = len({tensor.shape for tensor in inputs}) == 1
    # in a worker, `default_collate` stacks directly into shared memory
    return Batch(ids, default_collate(inputs) if one_shape else inputs, torch.tensor(labels))


def read_ahead(read: Callable[[str], Values], ids: Sequence[str], workers: int) -> Iterator[Values]:
    """Yield `read` of each id, in order, from `workers` + 1 threads; at most `workers` + 1 results wait in memory."""
    with ThreadPoolExecutor(workers + 1) as pool:
        waiting: deque[Future[Values]] = deque()
        for name in ids:
            waiting.append(pool.submit(read, name))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

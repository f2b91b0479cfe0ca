"""Clips in batches: what an epoch sees depends on seed, epoch and clip ids, never on the number of workers."""

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
Tensors = Tensor | list[Tensor]  # of some clips: stacked where all have one shape, which augmented squares have not


class Batch(NamedTuple):
    """This process's clips of one step, which may be none."""

    ids: list[str]
    inputs: Tensors
    labels: Tensor


class Clips(Dataset[Any]):
    """Clip ids and labels, read by (index, epoch); `read` opens the file itself, so nothing open crosses processes."""

    def __init__(self, ids: Sequence[str], labels: Sequence[int], read: Read):
        self.ids, self.labels, self.read = list(ids), list(labels), read

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: tuple[int, int]) -> tuple[str, Tensor, int]:
        index, epoch = position
        return self.ids[index], self.read(self.ids[index], epoch), self.labels[index]


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """This process's share of batches of (index, epoch), whose order is drawn from the seed and the epoch.

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
        """The indices of each batch, those of all processes."""
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        order = torch.randperm(self.count, generator=generator).tolist()
        for start in range(0, self.count, self.batch):
            yield order[start : start + self.batch]


def mix(seed: int, epoch: int) -> int:
    """One seed for an epoch, so that a resumed training draws what an uninterrupted one would have drawn."""
    return (seed * 1_000_003 + epoch) % 2**63


def loader(clips: Clips, sampler: EpochSampler, workers: int, device: torch.device) -> Loader:
    """Batches of `clips` in the order of `sampler`; worker processes feed a GPU, on a CPU they would be in the way."""
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
    # in a worker, `default_collate` stacks straight into the memory that it shares
    return Batch(ids, default_collate(inputs) if one_shape else inputs, torch.tensor(labels))


def read_ahead(read: Callable[[str], Values], ids: Sequence[str], workers: int) -> Iterator[Values]:
    """What `read` gives for each id, in order, by `workers` + 1 threads; no more than `workers` + 1 wait in memory."""
    with ThreadPoolExecutor(workers + 1) as pool:
        waiting: deque[Future[Values]] = deque()
        for name in ids:
            waiting.append(pool.submit(read, name))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

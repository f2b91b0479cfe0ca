"""What an epoch sees depends on the seed, the epoch and the clip ids, never on the number of workers."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

from tavlad.learning.loading import Clips, EpochSampler, _collate, loader


def read(scale: int, clip: str, epoch: int) -> torch.Tensor:
    return torch.tensor([int(clip) * scale, epoch])


def clips(count=10):
    return Clips([str(i) for i in range(count)], [i % 3 for i in range(count)], partial(read, 100))


def epochs(batches, sampler, which):
    seen = []
    for epoch in which:
        sampler.epoch = epoch
        seen.append([(b.ids, torch.stack(b.inputs).tolist(), b.labels.tolist()) for b in batches])
    return seen


def test_every_clip_once_in_an_order_of_its_own_for_each_epoch():
    sampler = EpochSampler(10, 4, seed=1)
    first, second = epochs(loader(clips(), sampler, 0, torch.device("cpu")), sampler, [0, 1])
    assert [len(ids) for ids, _, _ in first] == [4, 4, 2] and len(sampler) == 3
    for epoch, batches in enumerate((first, second)):
        rows = [row for ids, inputs, labels in batches for row in zip(ids, inputs, labels, strict=True)]
        assert sorted(rows) == sorted((str(i), [100 * i, epoch], i % 3) for i in range(10))
    assert [ids for ids, _, _ in first] != [ids for ids, _, _ in second]


def test_an_epoch_does_not_depend_on_the_epochs_before_it():
    sampler = EpochSampler(10, 4, seed=1)
    batches = loader(clips(), sampler, 0, torch.device("cpu"))
    assert epochs(batches, sampler, [0, 1, 2])[2] == epochs(batches, sampler, [2])[0]


@pytest.mark.parametrize("context", ["spawn", "fork"])
def test_the_same_batches_from_worker_processes(context):
    sampler = EpochSampler(10, 4, seed=1)
    batches = DataLoader(
        clips(), batch_sampler=sampler, collate_fn=_collate, num_workers=2, multiprocessing_context=context
    )
    here = loader(clips(), sampler, 0, torch.device("cpu"))
    assert epochs(batches, sampler, [0, 1]) == epochs(here, sampler, [0, 1])


def test_another_seed_gives_another_order():
    orders = []
    for seed in (1, 2):
        sampler = EpochSampler(10, 10, seed)
        orders.append(next(iter(loader(clips(), sampler, 0, torch.device("cpu")))).ids)
    assert orders[0] != orders[1]

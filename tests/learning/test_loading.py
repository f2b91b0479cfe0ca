"""What an epoch sees depends on the seed, the epoch and the clip ids, never on the number of workers."""

from dataclasses import fields, replace
from functools import partial

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tavlad.data.table import Examples
from tavlad.features.views import draw_augmentation, square_of
from tavlad.learning.loading import Clips, EpochSampler, _collate, loader
from tavlad.learning.stage2 import Stage2, _square
from tavlad.store.inputs import Inputs, rng_for
from tavlad.video.frames import to_jpeg
from tavlad.video.jpeg import load_frames


def read(scale: int, clip: str, epoch: int) -> torch.Tensor:
    return torch.tensor([int(clip) * scale, epoch])


def clips(count=10):
    return Clips([str(i) for i in range(count)], [i % 3 for i in range(count)], partial(read, 100))


def epochs(batches, sampler, which):
    seen = []
    for epoch in which:
        sampler.epoch = epoch
        seen.append([(b.ids, b.inputs.tolist(), b.labels.tolist()) for b in batches])
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


SIZES = [(26, 30), (30, 26), (34, 40), (26, 26)]  # (height, width) of clips


@pytest.fixture
def stage2(tmp_path):
    """Stage 2 of four clips of three frames, whose sizes differ."""
    ids = tuple(str(i) for i in range(len(SIZES)))
    for clip, (height, width) in zip(ids, SIZES, strict=True):
        pixels = np.random.default_rng(int(clip)).integers(0, 256, (3, height, width, 3), np.uint8)
        jpegs = to_jpeg(pixels, 95)
        with h5py.File(tmp_path / f"{clip}.h5", "w") as file:
            file["jpeg"], file["offsets"] = np.frombuffer(b"".join(jpegs), np.uint8), np.cumsum([0, *map(len, jpegs)])
    wanted = {field.name: None for field in fields(Stage2)}
    frames, examples = Inputs(tmp_path, ()), Examples(ids, (0, 1, 2, 0))
    return Stage2(**wanted | {"training": examples, "frames": frames, "crop": 24, "batch": 4, "seed": 1})


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("processes", [0, 2])
def test_no_pixel_leaves_a_worker_but_those_of_the_squares(stage2, augment, processes):
    """A whole batch of frames is 105 MB of shared memory at the paper's sizes, of which Docker gives 64."""
    wanted = replace(stage2, augment=augment)
    sampler = EpochSampler(4, 4, seed=1)
    sources = Clips(wanted.training.ids, wanted.training.labels, partial(_square, wanted))
    feed = DataLoader(sources, batch_sampler=sampler, collate_fn=_collate, num_workers=processes)
    sampler.epoch = 3
    (batch,) = feed
    sides = []
    for clip, square in zip(batch.ids, batch.inputs, strict=True):
        draw = draw_augmentation(rng_for(1, clip, 3)) if augment else None
        frames = torch.from_numpy(load_frames(wanted.frames.file(clip)))
        assert square.dtype == torch.uint8 and torch.equal(square, square_of(frames, draw, 24))
        assert processes == 0 or square.is_shared()
        sides.append(24 if draw is None else round(draw.scale * min(SIZES[int(clip)])))
    held = {square.untyped_storage().data_ptr(): square.untyped_storage().nbytes() for square in batch.inputs}
    assert sum(held.values()) == sum(3 * side * side * 3 for side in sides)
    assert isinstance(batch.inputs, list) == augment and (not augment or len(set(sides)) > 1)


@pytest.mark.parametrize("processes", [0, 2])
def test_maps_are_stacked_where_they_are_read(processes):
    """What is stacked later, of pinned memory, is not pinned: a copy to a GPU would wait for it."""
    sampler = EpochSampler(10, 4, seed=1)
    feed = DataLoader(clips(), batch_sampler=sampler, collate_fn=_collate, num_workers=processes)
    for batch in feed:
        assert isinstance(batch.inputs, torch.Tensor) and batch.inputs.is_shared() == (processes > 0)
        assert batch.inputs[:, 0].tolist() == [100 * int(clip) for clip in batch.ids]

"""The flow of `extract`: order, overlap without a clock, bounded waiting, failures that stop no other clip."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tavlad.features.cache import write_maps
from tavlad.features.overlap import overlap


def test_results_come_in_order_whoever_is_first() -> None:
    gate = threading.Event()

    def read(item: int) -> int:
        if item == 0:
            assert gate.wait(20)
        if item == 1:
            gate.set()  # the second is read while the first still is
        return item

    results = overlap(range(9), read, lambda item, value: 10 * value, lambda item, value: value + 1, 2)
    assert [(item, future.result()) for item, future in results] == [(item, 10 * item + 1) for item in range(9)]


def test_writing_overlaps_computing_and_computing_stays_in_the_caller() -> None:
    computed, threads = threading.Event(), set()

    def compute(item: int, value: int) -> int:
        threads.add(threading.current_thread())
        if item == 1:
            computed.set()
        return value

    def write(item: int, value: int) -> int:
        assert item or computed.wait(20)  # the first is still being written when the second is computed
        return value

    assert [item for item, _ in overlap(range(5), lambda item: item, compute, write, 1)] == list(range(5))
    assert threads == {threading.current_thread()}


def test_several_are_written_at_once() -> None:
    both = threading.Barrier(2, timeout=20)
    results = overlap(range(6), lambda item: item, lambda item, value: value, lambda item, value: both.wait(), 2)
    assert all(future.exception() is None for _, future in results)


def test_files_have_the_same_bytes_whatever_the_number_of_threads(tmp_path: Path) -> None:
    def written(threads: int) -> list[bytes]:
        folder = tmp_path / str(threads)
        folder.mkdir()

        def compute(item: int, value: int) -> np.ndarray:
            return np.maximum(np.random.default_rng(item).normal(size=(2, 5, 64, 7, 7)), 0).astype(np.float16)

        def write(item: int, maps: np.ndarray) -> None:
            write_maps(folder / str(item), f"clip {item}", maps, "recipe", [None, None], {})

        results = overlap(range(12), lambda item: item, compute, write, threads)
        assert all(future.exception() is None for _, future in results)
        return [(folder / str(item)).read_bytes() for item in range(12)]

    assert written(1) == written(4)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_few_items_wait(threads: int) -> None:
    taken, done = [], []

    def source() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    for item, _ in overlap(source(), lambda item: item, lambda item, value: value, lambda item, value: value, threads):
        done.append(item)
        assert len(taken) - len(done) <= 2 * (threads + 1) + 1
    assert len(done) == 50


@pytest.mark.parametrize("step", ["read", "compute", "write"])
def test_a_failure_is_that_items_own(step: str) -> None:
    def fail_at(name: str, item: int) -> int:
        if name == step and item == 2:
            raise ValueError(f"{name} {item}")
        return item

    results = overlap(
        range(5),
        lambda item: fail_at("read", item),
        lambda item, _: fail_at("compute", item),
        lambda item, _: fail_at("write", item),
        2,
    )
    errors = {item: str(future.exception()) for item, future in results if future.exception()}
    assert errors == {2: f"{step} 2"}


def test_a_mistake_in_the_program_is_not_taken_for_a_bad_clip() -> None:
    with pytest.raises(TypeError):
        list(overlap(range(3), lambda item: item, lambda item, value: len(value), lambda item, value: value, 1))


def test_what_a_gpu_fails_by_ends_the_run_and_is_no_clips_fault() -> None:
    def compute(item: int, value: int) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(torch.OutOfMemoryError):
        list(overlap(range(3), lambda item: item, compute, lambda item, value: None, 1))

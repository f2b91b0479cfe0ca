"""Scoring many clips: the order, the bound on what waits in memory, and errors."""

import threading
import time

import numpy as np
import pytest

from tavlad.data.table import Examples
from tavlad.learning.scoring import predict_clips


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_predictions_keep_the_order_and_read_only_a_little_ahead(workers: int) -> None:
    lock, read_and_waiting, most = threading.Lock(), 0, 0

    def read(name: str) -> np.ndarray:
        nonlocal read_and_waiting, most
        with lock:
            read_and_waiting += 1
            most = max(most, read_and_waiting)
        time.sleep(0.002 * (int(name) % 3))  # later clips may be ready earlier
        return np.full(3, int(name))

    def sight(name: str, values: np.ndarray) -> tuple[np.ndarray, float]:
        nonlocal read_and_waiting
        with lock:
            read_and_waiting -= 1
        assert (values == int(name)).all()
        return np.stack([values, -values]).astype(np.float32), values[0] / 2

    ids = [str(number) for number in range(20)]
    (made, turned), looks = predict_clips(
        Examples(tuple(ids), (0,) * 20), ("a", "b", "c"), read, sight, workers, "scoring"
    )
    assert made.logits[:, 0].tolist() == list(range(20)) and (turned.logits == -made.logits).all()
    assert looks == [number / 2 for number in range(20)]
    assert made.ids == tuple(ids) and made.classes == ("a", "b", "c")
    assert most <= workers + 1


def test_a_file_that_cannot_be_read_ends_the_run() -> None:
    def read(name: str) -> np.ndarray:
        raise OSError(f"{name} is damaged")

    with pytest.raises(OSError, match="is damaged"):
        predict_clips(Examples(("x", "y"), (0, 0)), ("a",), read, lambda name, values: (values, 0), 2, "scoring")

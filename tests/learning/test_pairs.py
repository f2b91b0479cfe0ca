"""Where only a class and its reversal compete: who is right, and that what is blind to order gets half."""

import numpy as np
import pytest
import torch

from tavlad.learning.pairs import within_pairs
from tavlad.learning.scores import Predictions
from tests.models import small_model

NEIGHBOURS = [("a", "b"), ("c", "d")]


def test_only_the_own_pair_competes() -> None:
    logits = np.array([[1, 0, 9, 0], [2, 1, 9, 0], [9, 9, 1, 2], [9, 9, 2, 1]], np.float32)
    made = Predictions(tuple("pqrs"), np.array([0, 1, 3, 2]), logits, tuple("abcd"))
    assert within_pairs(made, NEIGHBOURS).tolist() == [True, False, True, True]
    assert within_pairs(made, [("b", "a"), ("d", "c")]).tolist() == [True, False, True, True]
    assert within_pairs(made, [("d", "a"), ("c", "b")]).tolist() == [True, False, False, False]


def test_of_equal_logits_the_first_class_wins() -> None:
    made = Predictions(tuple("pqrs"), np.arange(4), np.zeros((4, 4), np.float32), tuple("abcd"))
    assert within_pairs(made, NEIGHBOURS).tolist() == [True, False, True, False]
    assert within_pairs(made, [("d", "a"), ("c", "b")]).tolist() == [True, True, False, False]


@pytest.mark.parametrize("seed", range(5))
def test_a_model_that_is_blind_to_order_is_right_for_exactly_half(seed: int) -> None:
    """The sum over time without attention; where sums of the same terms round otherwise, the logits are made equal."""
    model = small_model(4, seed, False, temporal="sum", attention="none").double()
    maps = torch.rand(10, 3, 512, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        there, back = model.forward_maps(maps), model.forward_maps(maps.flip(1))
    assert torch.allclose(there, back, rtol=0, atol=1e-12)
    labels = np.arange(10) % 2 * 2  # of classes a and c; their reversals are of b and d
    ids = [f"{way}{number}" for way in ("there", "back") for number in range(10)]
    logits = np.concatenate([there.numpy()] * 2)
    made = Predictions(tuple(ids), np.concatenate([labels, labels + 1]), logits, tuple("abcd"))
    assert within_pairs(made, NEIGHBOURS).mean() == 0.5


def test_a_model_that_sees_order_tells_a_clip_from_its_reversal() -> None:
    model, maps = small_model(4, 1, False, temporal="gru", attention="none"), torch.rand(2, 3, 512, 2, 2)
    with torch.no_grad():
        assert not torch.allclose(model.forward_maps(maps), model.forward_maps(maps.flip(1)), atol=1e-5)

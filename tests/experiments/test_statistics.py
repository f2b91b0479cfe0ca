"""Intervals, differences and McNemar's test against closed forms and loops."""

from math import comb

import numpy as np
import pytest

from tavlad.experiments import statistics
from tavlad.learning.scores import Predictions
from tests.experiments.made import predictions

RNG = np.random.default_rng(1)


def test_accuracy_is_the_mean_of_splits_and_not_of_clips() -> None:
    seeds = [[predictions([True] * 8, "a"), predictions([False] * 24 + [True] * 8, "b")]]
    assert statistics.accuracies(seeds).tolist() == [(1 + 0.25) / 2]


def test_a_clip_is_averaged_over_seeds_and_splits_before_anything_else() -> None:
    seeds = [[predictions([a, b], "x")] for a, b in ((True, False), (True, True), (False, True), (True, False))]
    assert statistics.clip_scores(seeds, statistics.all_classes) == {"x0": 0.75, "x1": 0.5}


def test_the_interval_is_that_of_a_binomial_mean() -> None:
    low, high = statistics.interval(np.repeat([1.0, 0.0], [320, 80]))
    error = 1.96 * (0.8 * 0.2 / 400) ** 0.5
    assert low == pytest.approx(0.8 - error, abs=0.005) and high == pytest.approx(0.8 + error, abs=0.005)
    assert statistics.interval(np.ones(9)) == (1, 1)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (5, 0), (3, 7), (10, 10), (25, 9)])
def test_mcnemar_is_a_two_sided_sign_test(better: int, worse: int) -> None:
    n, k = better + worse, max(better, worse)
    tail = sum(comb(n, i) for i in range(k, n + 1)) / 2**n
    assert statistics.mcnemar(better, worse) == pytest.approx(min(1, 2 * tail))


def test_a_difference_pairs_clip_by_clip_whatever_their_order() -> None:
    ours, theirs = RNG.random((3, 40)) < 0.8, RNG.random((3, 40)) < 0.6
    first = [[predictions(list(row), "c")] for row in ours]
    second = [[_turned(predictions(list(row), "c"))] for row in theirs]
    found = statistics.compare(first, second)
    gains = ours.mean(axis=0) - theirs.mean(axis=0)
    assert found.gain == pytest.approx(gains.mean())
    error = 1.96 * gains.std() / 40**0.5
    assert found.interval == pytest.approx((gains.mean() - error, gains.mean() + error), abs=0.03)
    fused = [(rows.mean(axis=0) > 0.5) for rows in (ours, theirs)]  # three one-hot votes: the majority
    assert (found.better, found.worse) == (int((fused[0] & ~fused[1]).sum()), int((fused[1] & ~fused[0]).sum()))
    assert found.p == statistics.mcnemar(found.better, found.worse)


def _turned(made: Predictions) -> Predictions:
    return Predictions(made.ids[::-1], made.labels[::-1], made.logits[::-1], made.classes)


def test_other_clips_are_not_compared() -> None:
    with pytest.raises(ValueError, match="other clips"):
        statistics.compare([[predictions([True], "a")]], [[predictions([True], "b")]])


def test_within_pairs_only_the_own_pair_competes() -> None:
    logits = np.array([[1, 0, 9, 0], [2, 1, 9, 0], [9, 9, 1, 2], [9, 9, 2, 1]], np.float32)
    made = Predictions(tuple("pqrs"), np.array([0, 1, 3, 2]), logits, tuple("abcd"))
    assert statistics.within_pairs(made).tolist() == [True, False, True, True]

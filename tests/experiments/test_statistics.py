"""Means, intervals, flipped signs and Holm's correction against loops, closed forms and enumeration."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations, product

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from tavlad.experiments import statistics
from tavlad.experiments.statistics import Scored, Splits
from tavlad.learning.scores import Predictions
from tests.experiments.made import named, predictions


def overlapping(seed: int, seeds: int = 3, share: float = 0.7) -> tuple[list[Splits], dict[str, str]]:
    """Three splits of unequal sizes that share clips, in any order of clips, and groups of unequal sizes."""
    rng = np.random.default_rng(seed)
    pool = [f"clip{number}" for number in range(40)]
    groups = {clip: f"g{int(number**0.5)}" for number, clip in enumerate(pool)}
    tested = [rng.permutation(pool)[:size].tolist() for size in (9, 17, 30)]
    made = [[named(ids, (rng.random(len(ids)) < share).tolist()) for ids in tested] for _ in range(seeds)]
    return made, groups


def scored(made: Sequence[Splits], groups: dict[str, str]) -> Scored:
    return statistics.scored(made, groups, statistics.all_classes)


def simple(scores: Sequence[float], groups: Sequence[int], splits: Sequence[int] = ()) -> Scored:
    ids = tuple(f"clip{number}" for number in range(len(scores)))
    return Scored(ids, np.array(splits or [0] * len(scores)), np.array(groups), np.array(scores, float))


@pytest.mark.parametrize("seed", range(20))
def test_a_mean_is_that_of_splits_and_seeds_and_a_gain_is_the_difference_of_two(seed: int) -> None:
    (ours, groups), (theirs, _) = overlapping(seed), overlapping(seed, seeds=2, share=0.5)
    rng = np.random.default_rng(seed)
    means = []
    for made in (ours, theirs):
        loop = [sum(split.right) / len(split.ids) for splits in made for split in splits]
        means.append(scored(made, groups).mean)
        assert means[-1] == pytest.approx(sum(loop) / len(loop), abs=1e-12)
        assert means[-1] == pytest.approx(statistics.accuracies(made).mean(), abs=1e-12)
    theirs = [[_turned(split, rng) for split in splits] for splits in theirs]
    found = statistics.compare(scored(ours, groups), scored(theirs, groups))
    assert found.gain == pytest.approx(means[0] - means[1], abs=1e-12)
    assert found.interval[0] < found.gain < found.interval[1]


def _turned(made: Predictions, rng: np.random.Generator) -> Predictions:
    order = rng.permutation(len(made.ids))
    return Predictions([made.ids[i] for i in order], made.labels[order], made.logits[order], made.classes)


@pytest.mark.parametrize("seed", range(5))
def test_a_clip_counts_once_as_better_or_worse_however_many_splits_hold_it_out(seed: int) -> None:
    (ours, groups), (theirs, _) = overlapping(seed), overlapping(seed, seeds=2, share=0.5)
    net: dict[str, float] = {}
    for made, sign in ((ours, 1), (theirs, -1)):
        for split in chain.from_iterable(made):
            for clip, right in zip(split.ids, split.right, strict=True):
                net[clip] = net.get(clip, 0) + sign * int(right) * 6 // len(made)
    found = statistics.compare(scored(ours, groups), scored(theirs, groups))
    assert (found.better, found.worse) == (sum(v > 0 for v in net.values()), sum(v < 0 for v in net.values()))


def test_the_same_split_three_times_is_no_more_evidence() -> None:
    right = np.random.default_rng(1).random((2, 40)) < [[0.8], [0.5]]
    groups = {f"c{number}": str(number // 4) for number in range(40)}
    once, thrice = (
        statistics.compare(*(scored([[predictions(row, "c")] * times], groups) for row in right.tolist()))
        for times in (1, 3)
    )
    assert (thrice.groups, thrice.better, thrice.worse, thrice.p) == (10, once.better, once.worse, once.p)
    assert (thrice.gain, *thrice.interval) == pytest.approx((once.gain, *once.interval))


def test_copies_of_a_clip_within_its_group_are_no_more_evidence() -> None:
    right = np.random.default_rng(2).random((2, 12)) < [[0.8], [0.5]]
    groups = {f"c{number}": str(number % 12) for number in range(60)}
    once, copied = (
        statistics.compare(*(scored([[predictions(row * times, "c")]], groups) for row in right.tolist()))
        for times in (1, 5)
    )
    assert copied.p == once.p and copied.interval == pytest.approx(once.interval)


@pytest.mark.parametrize("groups", [2, 9, 40])
def test_with_equal_groups_the_interval_is_that_of_a_t_test_on_their_means(groups: int) -> None:
    scores = np.random.default_rng(groups).choice([-1, 0, 1], (groups, 6))
    found = simple(scores.ravel().tolist(), np.repeat(range(groups), 6).tolist())
    expected = ttest_1samp(scores.mean(axis=1), 0).confidence_interval(0.95)
    assert statistics.gain_interval(found) == pytest.approx(np.clip(expected, -1, 1))


@pytest.mark.parametrize("seed", range(5))
def test_with_unequal_groups_it_is_that_of_means_without_one_group(seed: int) -> None:
    found = scored(*overlapping(seed))
    sizes = np.bincount(found.splits)
    moves = []
    for left_out in range(found.group_count):
        kept = [i for i, group in enumerate(found.groups) if group != left_out]
        weights = [1 / sizes[found.splits[i]] for i in kept]
        moves.append(np.average([found.scores[i] for i in kept], weights=weights) - found.mean)
    G = len(moves)
    half = student.ppf(0.975, G - 1) * (sum(move**2 for move in moves) * (G - 1) / G) ** 0.5
    assert statistics.gain_interval(found) == pytest.approx((found.mean - half, min(found.mean + half, 1)))
    on_scale = logit(found.mean) + half / found.mean / (1 - found.mean) * np.array([-1, 1])
    assert statistics.share_interval(found) == pytest.approx(expit(on_scale))


def test_an_interval_stays_where_the_number_can_be() -> None:
    found = simple([1] * 19 + [0], range(20))
    low, high = statistics.share_interval(found)
    assert 0.6 < low < 0.95 < high < 1 and found.mean + statistics.half_width(found) > 1
    assert statistics.gain_interval(simple([1, 1, 1, 0], range(4))) == (pytest.approx(-0.0456, abs=1e-4), 1)
    assert statistics.share_interval(simple([1, 0], [0, 0])) == (0, 1)  # one group says nothing of others
    assert statistics.gain_interval(simple([1, 0], [0, 0])) == (-1, 1)


def test_groups_that_score_the_same_have_an_interval_without_width() -> None:
    blind = simple([1, 0] * 14, [0] * 4 + [1] * 8 + [2] * 16, [0] * 4 + [1] * 8 + [0] * 16)
    assert statistics.share_interval(blind) == pytest.approx((0.5, 0.5), abs=1e-12)
    assert statistics.share_interval(simple([1] * 7, [0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 0, 1, 2, 2])) == (
        pytest.approx((1, 1), abs=1e-12)
    )


@pytest.mark.parametrize("seed", range(6))
def test_p_is_the_share_of_all_flips_of_groups_at_least_as_far_from_zero(seed: int) -> None:
    sums = np.random.default_rng(seed).integers(-3, 5, 1 + 2 * seed) / 7
    totals = [abs(np.dot(signs, sums)) for signs in product((1, -1), repeat=len(sums))]
    expected = sum(total >= abs(sums.sum()) - 1e-9 for total in totals) / len(totals)
    assert statistics.sign_flips(sums) == expected == statistics.sign_flips(-sums)
    assert statistics.sign_flips(np.append(sums, np.zeros(30))) == expected


def test_many_groups_are_flipped_at_random_always_the_same_and_p_is_never_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sums = np.random.default_rng(3).normal(0.3, 1, 15)
    exact = statistics.sign_flips(sums)
    assert statistics.sign_flips(np.ones(400)) == 1 / statistics.FLIPS
    monkeypatch.setattr(statistics, "FLIPS", 10_000)
    assert statistics.sign_flips(sums) == statistics.sign_flips(sums) == pytest.approx(exact, abs=0.015)
    assert statistics.sign_flips(sums) != exact and 0.02 < exact < 0.9


@pytest.mark.parametrize("seed", range(10))
def test_holm_is_the_closed_test_of_all_sets_of_hypotheses(seed: int) -> None:
    values = (np.random.default_rng(seed).integers(1, 30, seed) / [30, 100][seed % 2]).tolist()
    places = range(len(values))
    sets = [chosen for size in places for chosen in combinations(places, size + 1)]
    expected = [max(min(1, len(s) * min(values[i] for i in s)) for s in sets if place in s) for place in places]
    assert statistics.holm(values) == pytest.approx(expected)


def test_what_differs_is_not_compared() -> None:
    ours, theirs = simple([1, 0], [0, 1]), simple([1, 0, 1], [0, 1, 1])
    for other in (theirs, replace(ours, splits=np.array([0, 1]))):
        with pytest.raises(ValueError, match="different clips"):
            statistics.compare(ours, other)
    with pytest.raises(ValueError, match="different groups"):
        statistics.compare(ours, replace(ours, groups=np.array([0, 0])))
    with pytest.raises(ValueError, match="different clips"):
        scored([[predictions([True], "a")], [predictions([True], "b")]], {"a0": "g", "b0": "g"})

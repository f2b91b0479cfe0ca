"""Is one variant better than another? Means over splits, intervals and sign flips over groups, Holm's correction."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from tavlad.learning.scores import Predictions

LEVEL = 0.95  # confidence level of the intervals
FLIPS = 2**16  # all of them up to 16 groups, otherwise this many at random
TINY = 1e-12  # the largest rounding error of a sum that should be zero

Interval = tuple[float, float]
Splits = Sequence[Predictions]  # one seed: the predictions of each split
Judge = Callable[[Predictions], np.ndarray]  # which clips are right, bool (N)


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of N instances; a clip is one instance per split that tests it.

    `ids` (N) are the clips; `splits` and `groups` int (N) are numbered from 0; `scores` float64 (N) are seed means.
    """

    ids: tuple[str, ...]
    splits: np.ndarray
    groups: np.ndarray
    scores: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The weight of an instance in the mean over splits of the mean within each split, float64 (N), sum 1."""
        sizes = np.bincount(self.splits)
        shares: np.ndarray = 1 / (len(sizes) * sizes[self.splits])
        return shares

    @property
    def mean(self) -> float:
        """The mean over splits of the mean score within each split."""
        return float(self.weights @ self.scores)

    @property
    def sums(self) -> np.ndarray:
        """The contribution of each group to `mean`, over all splits that test it, float64 (G)."""
        return np.bincount(self.groups, self.weights * self.scores)

    @property
    def group_count(self) -> int:
        """The number G of groups."""
        return int(self.groups.max()) + 1


@dataclass(frozen=True)
class Difference:
    """`gain` is the mean of one variant minus the other's, with its interval and the p-value of the sign-flip test.

    `better` and `worse` count the clips, once each, that the first gets right in more or fewer of its runs.
    """

    groups: int
    gain: float
    interval: Interval
    better: int
    worse: int
    p: float


def accuracies(seeds: Sequence[Splits]) -> np.ndarray:
    """Top-1 of each seed, the mean over its splits, float64 (seeds)."""
    return np.array([np.mean([split.top1 for split in splits]) for splits in seeds])


def scored(seeds: Sequence[Splits], groups: Mapping[str, str], right: Judge) -> Scored:
    """The instances of `seeds` by split and id, with the group of each clip id; ValueError if the seeds differ."""
    tables = [_verdicts(splits, right) for splits in seeds]
    keys = sorted(tables[0])
    if any(table.keys() != tables[0].keys() for table in tables):
        raise ValueError("the seeds were evaluated on different clips")
    splits, ids = zip(*keys, strict=True)
    _, numbers = np.unique([groups[clip] for clip in ids], return_inverse=True)
    return Scored(ids, np.array(splits), numbers, np.mean([[table[key] for key in keys] for table in tables], axis=0))


def _verdicts(splits: Splits, right: Judge) -> dict[tuple[int, str], bool]:
    return {
        (number, clip): bool(hit)
        for number, split in enumerate(splits)
        for clip, hit in zip(split.ids, right(split), strict=True)
    }


def share_interval(found: Scored) -> Interval:
    """The interval of a mean of scores in 0..1, by Student's t on the logit scale, as sums are skewed near 0 and 1."""
    mean, half = found.mean, half_width(found)
    if half < TINY:
        return mean, mean
    if math.isinf(half):
        return 0.0, 1.0
    low, high = expit(logit(mean) + half / (mean * (1 - mean)) * np.array([-1, 1]))
    return float(low), float(high)


def gain_interval(found: Scored) -> Interval:
    """The interval of a mean of differences in -1..1, by Student's t."""
    mean, half = found.mean, half_width(found)
    return max(mean - half, -1.0), min(mean + half, 1.0)


def half_width(found: Scored) -> float:
    """Student's t with G - 1 degrees of freedom times the jackknife standard error over groups; inf for one group."""
    G = found.group_count
    if G == 1:
        return math.inf
    # the change of the mean over all splits without a group (a split may hold out only one)
    shares = np.bincount(found.groups, found.weights)
    moves = (shares * found.mean - found.sums) / (1 - shares)
    return float(student.ppf((1 + LEVEL) / 2, G - 1) * np.sqrt((G - 1) / G * (moves**2).sum()))


def compare(ours: Scored, theirs: Scored) -> Difference:
    """The gain of `ours` over `theirs`; ValueError if clips, splits or groups differ."""
    first, second = (set(zip(side.splits.tolist(), side.ids, strict=True)) for side in (ours, theirs))
    if apart := first ^ second:
        raise ValueError(f"the two were evaluated on different clips ({len(apart)} differ)")
    if not np.array_equal(ours.groups, theirs.groups):
        raise ValueError("the two were evaluated with different groups of clips")
    gains = replace(ours, scores=ours.scores - theirs.scores)
    _, clips = np.unique(gains.ids, return_inverse=True)
    changes = np.bincount(clips, gains.scores)
    better, worse = int((changes > TINY).sum()), int((changes < -TINY).sum())
    return Difference(gains.group_count, gains.mean, gain_interval(gains), better, worse, sign_flips(gains.sums))


def sign_flips(sums: np.ndarray) -> float:
    """The share of sign flips of `sums` (G) with a total at least as far from 0: the two-sided p-value.

    Uses all 2^G flips, or FLIPS seeded ones; the sums as given count as one flip, so p is never 0.
    """
    moved = sums[np.abs(sums) > TINY]  # flipping the others changes nothing
    every = 2 ** len(moved) <= FLIPS
    flips = np.arange(2 ** len(moved) if every else FLIPS)
    rng, totals = np.random.default_rng(0), np.zeros(len(flips))
    for place, value in enumerate(moved):
        flipped = flips >> place & 1 if every else rng.integers(2, size=len(flips)) * (flips > 0)
        totals += np.where(flipped, -value, value)
    return float((np.abs(totals) >= abs(totals[0]) - TINY).mean())


def holm(values: Sequence[float]) -> list[float]:
    """The p-values with Holm's step-down correction, in the same order."""
    order = np.argsort(values, kind="stable")
    stepped = np.arange(len(values), 0, -1) * np.asarray(values)[order]
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return [float(value) for value in corrected]


def all_classes(predictions: Predictions) -> np.ndarray:
    """Which clips are right when all classes compete, bool (N)."""
    return predictions.right

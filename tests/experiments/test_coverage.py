"""How often the intervals hold the truth, and p falls below 0.05 by chance, where the clips of a group are alike."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest

from tavlad.experiments.statistics import Scored, gain_interval, share_interval, sign_flips

GAIN, ACCURACY = (0.1, 0.7, 0.2), (0.25, 0, 0.75)  # shares of -1, 0 and 1; an accuracy has wrong and right only
DEMO = (0.03, 0.5, 0.47), (0.02, 0.93, 0.05), (0.05, 0, 0.95)  # order, attention, TA-VLAD: skewed sums of groups
GROUPS = (9, 25, 100)  # the demo has 9, UCF101 21, HMDB51 1,571
LAYOUTS = list(product(GROUPS, (False, True), (0.0, 0.1)))


@dataclass(frozen=True)
class Case:
    """Clips that score -1, 0 or 1 in `shares`, two of one group with the correlation `alike`. A group has 16 clips, or
    4 to 30; one split holds it out, and each of the others with the probability `again`."""

    shares: tuple[float, ...]
    alike: float
    groups: int
    unequal: bool = True
    again: float = 0.1

    def held_out(self, rng: np.random.Generator) -> Scored:
        """Instances, not scored yet."""
        sizes = rng.integers(4, 31, self.groups) if self.unequal else np.full(self.groups, 16)
        tested = np.arange(3)[:, None] == np.arange(self.groups) % 3
        tested |= rng.random(tested.shape) < self.again
        owners = np.repeat(np.arange(self.groups), sizes)
        splits, clips = np.nonzero(tested[:, owners])
        return Scored(tuple(map(str, clips)), splits, owners[clips], np.zeros(len(clips)))

    def scores(self, rng: np.random.Generator, found: Scored, count: int) -> np.ndarray:
        """(count, N): a group's own shares are drawn around `shares`; in half of its splits a clip scores the same."""
        chances = np.broadcast_to(np.asarray(self.shares), (count, self.groups, 3))
        if self.alike:
            chances = rng.dirichlet(np.maximum(self.shares, 1e-9) * (1 / self.alike - 1), chances.shape[:2])
        _, clips = np.unique(found.ids, return_inverse=True)
        luck = rng.random((count, len(clips)))
        luck = np.where(rng.random(luck.shape) < 0.5, luck, rng.random(luck.shape)[:, clips])
        limits = chances.cumsum(axis=2)[:, found.groups]
        return (luck > limits[..., 0]).astype(float) + (luck > limits[..., 1]) - 1

    def samples(self, count: int) -> Iterator[Scored]:
        """`count` experiments, in ten layouts."""
        rng = np.random.default_rng(self.groups)
        for _ in range(10):
            found = self.held_out(rng)
            for scores in self.scores(rng, found, count // 10):
                yield replace(found, scores=scores)

    def coverage(self, count: int) -> float:
        """The share of `count` intervals that hold the truth: of gains, or of accuracies where nothing is between."""
        held = 0
        for found in self.samples(count):
            if self.shares[1]:
                (low, high), truth = gain_interval(found), self.shares[2] - self.shares[0]
            else:
                (low, high), truth = share_interval(replace(found, scores=(found.scores + 1) / 2)), self.shares[2]
            held += low <= truth <= high
        return held / count


@pytest.mark.parametrize("alike", [0.0, 0.5])
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shares", [GAIN, ACCURACY])
def test_of_95_percent_intervals_93_to_97_percent_hold_the_truth(
    shares: tuple[float, ...], groups: int, alike: float
) -> None:
    assert 0.93 <= Case(shares, alike, groups, again=0.0).coverage(2000) <= 0.97


@pytest.mark.long
@pytest.mark.parametrize(("groups", "unequal", "again"), LAYOUTS)
def test_they_do_in_every_layout(groups: int, unequal: bool, again: float) -> None:
    cases = [Case(*case, groups, unequal, again) for case in product((GAIN, ACCURACY), (0.0, 0.1, 0.2, 0.3, 0.5))]
    found = {case: case.coverage(10_000) for case in cases}
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


@pytest.mark.long
@pytest.mark.parametrize(("groups", "unequal", "again"), LAYOUTS)
def test_skewed_sums_ask_for_little_correlation_or_many_groups(groups: int, unequal: bool, again: float) -> None:
    cases = [Case(*case, groups, unequal, again) for case in product(DEMO, (0.0, 0.05) if groups < 100 else (0.1, 0.3))]
    found = {case: case.coverage(10_000) for case in cases}
    assert all(0.925 <= share <= 0.985 for share in found.values()), found


def test_where_clips_stand_for_groups_the_interval_is_far_too_short() -> None:
    held = 0
    for found in Case(GAIN, 0.5, 9).samples(2000):
        _, clips = np.unique(found.ids, return_inverse=True)
        low, high = gain_interval(replace(found, groups=clips))
        held += low <= GAIN[2] - GAIN[0] <= high
    assert held / 2000 < 0.6


@pytest.mark.parametrize("alike", [0.0, 0.1, 0.5])
def test_p_is_below_five_percent_by_chance_in_at_most_five(alike: float) -> None:
    values = [sign_flips(found.sums) for found in Case((0.15, 0.7, 0.15), alike, 9).samples(4000)]
    assert 0.02 < np.mean(np.array(values) <= 0.05) < 0.055

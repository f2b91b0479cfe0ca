from fractions import Fraction
from math import floor

import numpy as np
import pytest

from tavlad.video.frames import indices

LENGTHS = [1, 2, 3, 8, 24, 25, 26]
COUNTS = [*range(1, 131), 1000, 9_999, 10_000]


@pytest.mark.parametrize("T", LENGTHS)
def test_each_index_is_the_centre_of_its_segment(T):
    for n in COUNTS:
        segment = Fraction(n, T)
        assert indices(n, T).tolist() == [floor(segment * i + segment / 2) for i in range(T)]


@pytest.mark.parametrize("T", LENGTHS)
def test_symmetric_in_time(T):
    """Frame k covers [k, k+1): played backwards, a centre inside a frame lies in the mirrored frame."""
    for n in COUNTS:
        picked = indices(n, T)
        on_the_edge = (2 * np.arange(T) + 1) * n % (2 * T) == 0  # between two frames: the later one, in both directions
        assert (picked + picked[::-1] == np.where(on_the_edge, n, n - 1)).all()


@pytest.mark.parametrize("T", LENGTHS)
def test_frames_exist_and_repeats_are_spread(T):
    for n in COUNTS:
        picked = indices(n, T)
        assert picked.dtype == np.int64 and picked.shape == (T,)
        assert picked.min() >= 0 and picked.max() < n
        assert set(np.diff(picked)) <= {n // T, n // T + 1}


def test_golden():
    assert indices(10, 5).tolist() == [1, 3, 5, 7, 9]
    assert indices(5, 5).tolist() == [0, 1, 2, 3, 4]
    assert indices(2, 5).tolist() == [0, 0, 1, 1, 1]
    assert indices(1, 3).tolist() == [0, 0, 0]


def test_a_header_that_lies_does_not_overflow():
    assert indices(2**31 - 1, 2).tolist() == [536870911, 1610612735]


@pytest.mark.parametrize(("n", "T"), [(0, 5), (5, 0), (-1, 5)])
def test_nothing_to_sample(n, T):
    with pytest.raises(ValueError, match="at least 1"):
        indices(n, T)

"""Windows take the frames that `indices` takes of the cut that they are, whatever the rate and the stride."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tavlad.video.frames import indices
from tavlad.video.grid import Clock, Grid, grid_of, taken, with_ends

NTSC = Fraction(30000, 1001)


def windows(times: list[Fraction], grid: Grid) -> dict[int, list[int]]:
    """The frames of each window that the video of these frames holds whole."""
    found: dict[int, list[int]] = {}
    until = times[-1] + 1 / grid.rate
    for _, frame, takes in taken(with_ends(zip(times, range(len(times)), strict=True), grid.rate), grid):
        for window in takes:
            found.setdefault(window, []).append(frame)
    return {window: frames for window, frames in found.items() if window * grid.stride + grid.window <= until}


def clocked(stamps: list[Fraction | None], rate: Fraction, tick: Fraction) -> list[Fraction]:
    clock = Clock(rate)
    return [clock.time(stamp, tick) for stamp in stamps]


@pytest.mark.parametrize("tick", [Fraction(1, 90_000), Fraction(1, 1000)])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(15), NTSC, Fraction(60)])
@pytest.mark.parametrize(("window", "stride", "T"), [(2, 0.5, 6), (1.9, 0.7, 6), (4, 1, 25), (0.8, 0.1, 25), (1, 1, 3)])
def test_a_window_takes_the_frames_of_its_cut(
    rate: Fraction, tick: Fraction, window: float, stride: float, T: int
) -> None:
    grid = grid_of(window, stride, T, rate)
    stamps: list[Fraction | None] = [round((7 + k / rate) / tick) * tick for k in range(400)]
    found = windows(clocked(stamps, rate, tick), grid)
    n = int(grid.window * rate)
    assert abs(grid.window - Fraction(window).limit_denominator(100)) <= 1 / (2 * rate) + Fraction(1, 1000)
    assert len(found) == (400 / rate - grid.window) // grid.stride + 1
    for number, frames in found.items():
        first = math.ceil(number * grid.stride * rate)
        assert frames == (first + indices(n, T)).tolist()


def test_the_stride_is_rounded_to_the_spacing_and_is_at_least_one() -> None:
    assert grid_of(2, 0.5, 6, Fraction(25)).stride == Fraction(2, 3) == 2 * grid_of(2, 0.5, 6, Fraction(25)).spacing
    assert grid_of(2, 0.01, 6, Fraction(25)).stride == Fraction(1, 3)
    assert grid_of(4, 1, 25, NTSC).window == 120 / NTSC


def test_windows_on_one_grid_share_their_frames() -> None:
    grid = grid_of(2, 0.4, 5, Fraction(25))
    found = windows([Fraction(k, 25) for k in range(250)], grid)
    assert all(found[number][1:] == found[number + 1][:-1] for number in range(len(found) - 1))


def test_frames_that_stay_are_taken_by_all_windows_that_pass_meanwhile() -> None:
    grid = Grid(Fraction(2), Fraction(1), 2, Fraction(10))
    times = [Fraction(0), Fraction(1, 10), Fraction(5), Fraction(51, 10), Fraction(7)]
    # window 3 begins while frame 1 is on display, and is over 0.1 s before frame 2 comes; window 4 sees both
    assert windows(times, grid) == {0: [1, 1], 1: [1, 1], 2: [1, 1], 3: [1, 1], 4: [1, 3], 5: [3, 3]}


def test_times_are_those_of_the_file_where_they_can_be() -> None:
    rate, tick = Fraction(10), Fraction(1, 1000)
    none = [Fraction(0), None, Fraction(2, 10), None]
    assert clocked(none, rate, tick) == [Fraction(k, 10) for k in range(4)]
    assert clocked([None, None, Fraction(9), Fraction(91, 10)], rate, tick) == [Fraction(k, 10) for k in range(4)]
    back = [Fraction(5), Fraction(51, 10), Fraction(0), Fraction(1, 10)]
    assert clocked(back, rate, tick) == [Fraction(k, 10) for k in range(4)]
    leap = [Fraction(0), Fraction(10**6), Fraction(10**6) + 1]
    assert clocked(leap, rate, tick) == [Fraction(k, 10) for k in range(3)]
    varying = [Fraction(0), Fraction(13, 100), Fraction(1)]
    assert clocked(varying, rate, tick) == varying


def test_every_frame_is_seen_once_and_in_order() -> None:
    grid = grid_of(1, 0.1, 4, Fraction(25))
    seen = [frame for _, frame, _ in taken(with_ends([(Fraction(k, 25), k) for k in range(60)], grid.rate), grid)]
    np.testing.assert_array_equal(seen, range(60))
    assert not list(with_ends([], grid.rate))

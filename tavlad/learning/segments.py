"""Streaming from the windows of a video to segments of one class each: smoothing, threshold, runs."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tavlad.learning.timeline import Window
from tavlad.video.grid import Grid


@dataclass(frozen=True, eq=False)
class Cell:
    """Smoothed probabilities float32 (Y) from `start` to `end` (s), and a frame uint8 (H, W, 3) from its middle."""

    start: float
    end: float
    probabilities: np.ndarray
    picture: np.ndarray


@dataclass(frozen=True)
class Segment:
    """A stretch of a video (s) with its class, as a number, and the mean of its smoothed probability."""

    start: float
    end: float
    label: int
    probability: float


def smoothed(windows: Iterable[Window], grid: Grid) -> Iterator[Cell]:
    """Yield one cell of one stride around the middle of each window: the mean of all windows with nearby middles.

    Nearby is less than half a window. The first cell begins with the first window, the last ends with the last one.
    """
    reach = -int(-grid.window // (2 * grid.stride)) - 1  # in strides; the largest number below half a window
    held: deque[Window] = deque()
    centre = 0  # index in `held` of the next cell
    for window in windows:
        held.append(window)
        if len(held) > centre + reach + 1:  # one more than nearby, so that the last cell is known
            yield _cell(held[centre], list(held)[:-1], grid)
            if centre == reach:
                held.popleft()
            else:
                centre += 1
    while centre < len(held):
        yield _cell(held[centre], list(held)[: centre + reach + 1], grid, last=centre == len(held) - 1)
        if centre == reach:
            held.popleft()
        else:
            centre += 1


def _cell(window: Window, near: list[Window], grid: Grid, last: bool = False) -> Cell:
    start = window.number * grid.stride
    middle = start + grid.window / 2
    begin = middle - grid.stride / 2 if window.number else Fraction(0)
    end = start + grid.window if last else middle + grid.stride / 2
    mean = np.mean([one.probabilities for one in near], axis=0)
    return Cell(float(begin), float(end), mean, window.picture)


def segments(cells: Iterable[Cell], threshold: float) -> Iterator[Segment]:
    """Merge neighbouring cells with the same most probable class, where its probability is at least `threshold`."""
    run: list[Cell] = []  # its first and last cell
    label, total, length = -1, 0.0, 0
    for cell in cells:
        best = int(cell.probabilities.argmax())
        found = best if cell.probabilities[best] >= threshold else -1
        if found != label and length:
            yield Segment(run[0].start, run[-1].end, label, total / length)
        if found != label:
            run, label, total, length = [], found, 0.0, 0
        if found >= 0:
            run = [*run[:1], cell]
            total, length = total + float(cell.probabilities[best]), length + 1
    if length:
        yield Segment(run[0].start, run[-1].end, label, total / length)

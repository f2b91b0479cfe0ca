"""The frames that sliding windows sample from a long video: exact arithmetic on times, in one pass over the frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

Frame = TypeVar("Frame")
LONGEST = 600  # seconds that a frame may stay on display; a longer gap between timestamps is damage
SNAP = Fraction(1, 4)  # of a frame: the farthest that a coarse timestamp is moved to match the video's rate
FINE = 10**6  # a user's numbers are rounded to 1/FINE s


@dataclass(frozen=True)
class Grid:
    """Windows of `window` seconds, one every `stride` seconds from 0, sampled at the centres of `frames` equal parts.

    `rate` is the video's, in frames per second.
    """

    window: Fraction
    stride: Fraction
    frames: int
    rate: Fraction

    @property
    def spacing(self) -> Fraction:
        """Seconds between the sampled frames of a window."""
        return self.window / self.frames


def grid_of(window: float, stride: float, frames: int, rate: Fraction) -> Grid:
    """The nearest grid whose window is a whole number of frames, and whose stride is a multiple of the spacing."""
    whole = max(1, round(_exact(window) * rate)) / rate
    step = max(1, round(_exact(stride) * frames / whole))
    return Grid(whole, step * whole / frames, frames, rate)


def _exact(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(FINE)


class Clock:
    """Display times of frames, in seconds after the first: the file's timestamp if plausible, else the next tick.

    Coarse timestamps, such as milliseconds, are snapped to whole frames of the `rate` if these are close.
    """

    def __init__(self, rate: Fraction):
        self.rate = rate
        self.now = -1 / rate
        self.origin: Fraction | None = None

    def time(self, stamp: Fraction | None, tick: Fraction) -> Fraction:
        """The time of the next frame, from its `stamp`, if any; `tick` is the unit of timestamps. Both in seconds."""
        expected = self.now + 1 / self.rate
        if stamp is None:
            self.now = expected
            return expected
        if self.origin is None:
            self.origin = stamp - expected
        said = self._snapped(stamp - self.origin, tick)
        self.now = said if self.now < said <= self.now + LONGEST else expected
        return self.now

    def _snapped(self, time: Fraction, tick: Fraction) -> Fraction:
        whole = round(time * self.rate)
        return whole / self.rate if abs(time * self.rate - whole) <= min(tick * self.rate, SNAP) else time


def with_ends(timed: Iterable[tuple[Fraction, Frame]], rate: Fraction) -> Iterator[tuple[Fraction, Fraction, Frame]]:
    """Frames with the start and end of their display; the last is displayed for one tick of the `rate`."""
    held: tuple[Fraction, Frame] | None = None
    for time, frame in timed:
        if held is not None:
            yield held[0], time, held[1]
        held = time, frame
    if held is not None:
        yield held[0], held[0] + 1 / rate, held[1]


def taken(shown: Iterable[tuple[Fraction, Fraction, Frame]], grid: Grid) -> Iterator[tuple[Fraction, Frame, list[int]]]:
    """The end of each frame's display, the frame, and the numbers of the windows that sample it, once per sample.

    A window begins with the frame that appears at its start or less than one tick later, as a clip cut there would; if
    there is none, because a frame is displayed for longer, with the frame on display. From then on it samples what is
    on display at the centres of its parts: at a constant rate exactly the frames that `indices` samples of the cut.
    """
    waiting: dict[int, deque[Fraction]] = {}  # by window: the centres still to come
    following = 0
    for begin, end, frame in shown:
        while (start := following * grid.stride) < end:
            first = start if start == begin or end - start >= 1 / grid.rate else end
            waiting[following] = deque(first + (2 * i + 1) * grid.spacing / 2 for i in range(grid.frames))
            following += 1
        takes: list[int] = []
        for number, centres in list(waiting.items()):
            while centres and centres[0] < end:
                centres.popleft()
                takes.append(number)
            if not centres:
                del waiting[number]
        yield end, frame, takes

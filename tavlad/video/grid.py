"""Which frames of a long video its windows take: exact arithmetic on times, in one pass over the frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

Frame = TypeVar("Frame")
LONGEST = 600  # seconds that a frame may stay on display; a longer leap of the timestamps is damage
SNAP = Fraction(1, 4)  # of a frame: so far, at most, a coarse timestamp is moved to the video's rate
FINE = 10**6  # of a second: how exactly a user's numbers are taken


@dataclass(frozen=True)
class Grid:
    """Windows of `window` seconds, one every `stride` seconds from 0, which take the centres of `frames` equal parts.

    `rate` is that of the video, in frames a second.
    """

    window: Fraction
    stride: Fraction
    frames: int
    rate: Fraction

    @property
    def spacing(self) -> Fraction:
        """Seconds between the frames that a window takes."""
        return self.window / self.frames


def grid_of(window: float, stride: float, frames: int, rate: Fraction) -> Grid:
    """The nearest grid: the window lasts whole frames of the video, and the stride is a multiple of the spacing."""
    whole = max(1, round(_exact(window) * rate)) / rate
    step = max(1, round(_exact(stride) * frames / whole))
    return Grid(whole, step * whole / frames, frames, rate)


def _exact(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(FINE)


class Clock:
    """When frames come on display, in seconds after the first: what the file says if that can be, else the next tick.

    Timestamps as coarse as milliseconds are moved to whole frames of the `rate`, where they mean these.
    """

    def __init__(self, rate: Fraction):
        self.rate = rate
        self.now = -1 / rate
        self.origin: Fraction | None = None

    def time(self, stamp: Fraction | None, tick: Fraction) -> Fraction:
        """The time of the next frame, by its `stamp`, if it has one, of which `tick` is the unit."""
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
    """Frames with the times at which they come on display and go; the last stays for one tick of the `rate`."""
    held: tuple[Fraction, Frame] | None = None
    for time, frame in timed:
        if held is not None:
            yield held[0], time, held[1]
        held = time, frame
    if held is not None:
        yield held[0], held[0] + 1 / rate, held[1]


def taken(shown: Iterable[tuple[Fraction, Fraction, Frame]], grid: Grid) -> Iterator[tuple[Fraction, Frame, list[int]]]:
    """Each frame, the end of its display, and the numbers of the windows that take it, once for each of their parts.

    A window begins with the frame that comes on display at its start or less than one tick later, as a cut there would;
    where there is none, since frames stay for longer, with the one on display. From then on it takes what is on display
    at the centres of its parts: at a constant rate exactly the frames that `indices` takes of the cut.
    """
    waiting: dict[int, deque[Fraction]] = {}  # by window: the centres that are yet to come
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

"""Pieces of work timed in turn, and what their times say beside their floors."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

Run = Callable[[], float]  # does a piece of work once; its seconds
Best = Mapping[str, float]  # the fewest seconds of each piece of work


@dataclass(frozen=True)
class Row:
    """One line of the table: how often `amount` of `unit` was done a second, or the seconds themselves where the unit
    is "s"; `floor` and `instead` are the seconds of the same amount, each explained in words."""

    name: str
    unit: str
    amount: float
    seconds: Callable[[Best], float]
    floor: Callable[[Best], float]
    floor_is: str
    instead: Callable[[Best], float] | None = None
    instead_is: str = ""

    def judged(self, best: Best) -> "Judged":
        """The line in numbers."""
        seconds, floor = self.seconds(best), self.floor(best)
        instead = None if self.instead is None else self._shown(self.instead(best))
        shown = self._shown(seconds), self.unit, self._shown(floor), floor / seconds
        return Judged(self.name, *shown, self.floor_is, instead, self.instead_is)

    def _shown(self, seconds: float) -> float:
        return seconds if self.unit == "s" else self.amount / seconds


@dataclass(frozen=True)
class Judged:
    """A line of the table in numbers; `ratio` is 1 at the floor, and smaller the more is added to it."""

    name: str
    achieved: float
    unit: str
    floor: float
    ratio: float
    floor_is: str
    instead: float | None
    instead_is: str

    def as_json(self) -> dict[str, Any]:
        """The line as a record holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Part:
    """Pieces of work by name, and the rows that are computed from their times."""

    runs: dict[str, Run] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


def timed(work: Callable[[], object]) -> Run:
    """`work` as a piece of work whose seconds are those of the whole call, to the end of what a GPU was told to do."""

    def run() -> float:
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        return time.perf_counter() - start

    return run


def best_of(parts: Iterable[Part], rounds: int, advance: Callable[[int, str], None]) -> Best:
    """Each piece of work done once a round, in turn: what disturbs the machine for a while hits all of them alike."""
    runs = {name: run for part in parts for name, run in part.runs.items()}
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            advance(0, name)
            best[name] = min(run(), best.get(name, float("inf")))
            advance(1, name)
    return best


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()

"""Timing of workloads in turn, and comparison of their times with the floors."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

Run = Callable[[], float]  # runs a workload once and returns its seconds
Best = Mapping[str, float]  # the best time of each workload in seconds


@dataclass(frozen=True)
class Row:
    """One row of the table: a rate (`amount` per second, in `unit`), or the seconds themselves if the unit is "s".
    `floor` and `instead` give the seconds for the same amount; `floor_is` and `instead_is` describe them."""

    name: str
    unit: str
    amount: float
    seconds: Callable[[Best], float]
    floor: Callable[[Best], float]
    floor_is: str
    instead: Callable[[Best], float] | None = None
    instead_is: str = ""

    def judged(self, best: Best) -> "Judged":
        """The row in numbers."""
        seconds, floor = self.seconds(best), self.floor(best)
        instead = None if self.instead is None else self._shown(self.instead(best))
        shown = self._shown(seconds), self.unit, self._shown(floor), floor / seconds
        return Judged(self.name, *shown, self.floor_is, instead, self.instead_is)

    def _shown(self, seconds: float) -> float:
        return seconds if self.unit == "s" else self.amount / seconds


@dataclass(frozen=True)
class Judged:
    """A row of the table in numbers; `ratio` is 1 at the floor, and smaller the slower the code is."""

    name: str
    achieved: float
    unit: str
    floor: float
    ratio: float
    floor_is: str
    instead: float | None
    instead_is: str

    def as_json(self) -> dict[str, Any]:
        """The row as stored in a record."""
        return asdict(self)


@dataclass(frozen=True)
class Part:
    """Workloads by name, and the rows computed from their times."""

    runs: dict[str, Run] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


def timed(work: Callable[[], object]) -> Run:
    """A run that times one call of `work`, including the work it queues on a GPU."""

    def run() -> float:
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        return time.perf_counter() - start

    return run


def best_of(parts: Iterable[Part], rounds: int, advance: Callable[[int, str], None]) -> Best:
    """Run all workloads once per round, in turn, so that a temporary disturbance affects all of them alike."""
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

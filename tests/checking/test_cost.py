"""What an estimate includes, by a clock that only counted functions advance; the first call of each is slow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tavlad.checking import cost, estimate
from tavlad.checking.estimate import Settings, Stopwatch
from tavlad.features import extraction
from tavlad.learning.checkpoints import Progress
from tavlad.model.tavlad import TAVLAD

SLOW = 1000.0  # seconds of the first pass; each later one takes one second


class Clock:
    """A clock that advances when a counted function is called."""

    def __init__(self) -> None:
        self.now = 0.0

    def counted(self, work: Callable[..., Any], later: float = 1.0) -> Callable[..., Any]:
        """Wrap `work` so that it takes SLOW seconds the first time, and `later` seconds from then on."""
        seconds = [SLOW]

        def call(*arguments: Any, **named: Any) -> Any:
            result = work(*arguments, **named)
            self.now += seconds[0]
            seconds[0] = later
            return result

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(cost, "clock", lambda device: made.now)
    monkeypatch.setattr(estimate, "clock", lambda device: made.now)
    return made


def test_the_first_pass_of_every_stage_is_not_timed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, project: Callable[[Path, str], None], tiny: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(extraction, "folded_backbone", clock.counted(extraction.folded_backbone, later=SLOW))
    places = ((cost, "decode_file"), (cost, "class_scores"), (extraction, "clip_maps"))
    for room, name in (*places, (TAVLAD, "forward_maps"), (TAVLAD, "forward")):  # the last two in stages 1 and 2
        monkeypatch.setattr(room, name, clock.counted(getattr(room, name)))
    project(tmp_path, "folders")
    found = cost.measure([cost.Sample(tiny)] * 3, 2, Settings.load())
    assert (found.decode, found.extract, found.evaluate) == (1, 1, 1)  # one worker, all of the two views
    assert (found.stage1, found.stage2) == (1 / 2, 1 / 2)  # a step of two clips


@pytest.mark.parametrize(
    ("device", "workers", "untimed", "timed"), [("cpu", 8, 1, 1), ("cuda", 2, 5, 8), ("cuda", 8, 17, 16)]
)
def test_prefetched_batches_are_consumed_before_steps_are_timed(
    clock: Clock, device: str, workers: int, untimed: int, timed: int
) -> None:
    watch = Stopwatch(torch.device(device), workers)
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    assert watch.load({}, optimiser) == Progress()
    examples = watch.examples(("a", "b", "c"), 4, 2)
    assert len(examples.ids) == len(examples.labels) == 4 * (untimed + timed)
    assert set(examples.ids) == {"a", "b", "c"} and set(examples.labels) == {0, 1}
    for number in range(untimed + timed):
        clock.now += SLOW if number < untimed else 2
        optimiser.step()
    assert watch.seconds(4) == 2 / 4


def test_the_gpu_is_synchronised_before_the_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    events = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append(device.type))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: events.append("read") or 1.0)
    assert estimate.clock(torch.device("cuda")) == estimate.clock(torch.device("cpu")) == 1.0
    assert events == ["cuda", "read", "read"]

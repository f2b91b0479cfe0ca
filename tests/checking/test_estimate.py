"""Times and sizes, compared with arithmetic done by hand."""

from types import SimpleNamespace

import pytest

from tavlad.checking.cost import Cost
from tavlad.checking.estimate import Work, estimates, rough, weight
from tavlad.data.table import Split


def test_seconds_are_clips_times_epochs_times_splits():
    settings = SimpleNamespace(stage1=SimpleNamespace(epochs=30), stage2=SimpleNamespace(epochs=3))
    splits = [Split(("a", "b"), (), ("c",)), Split(("a", "c"), (), ("b",)), Split(("b",), ("c",), ("a",))]
    cost = Cost(decode=0.5, extract=2.0, stage1=0.1, stage2=4.0, evaluate=8.0, frames=0, maps=0)
    made = {one.stage: one.seconds for one in estimates(cost, Work.of(3, splits), settings)}
    expected = {"decode": 1.5, "extract": 6.0, "stage1": 0.1 * 30 * 5, "stage2": 4.0 * 3 * 5, "evaluate": 24.0}
    assert made == pytest.approx(expected)


def test_a_reversal_is_an_extra_clip_except_for_decoding():
    splits = [Split(("a", "A"), (), ("b", "B"))]
    assert Work.of(2, splits, 2) == Work(videos=2, clips=4, train=2, test=2, splits=1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "under a minute"),
        (150, "about 2.5 min"),
        (3_600, "about 60 min"),
        (11_000, "about 3.1 h"),
        (100_000, "about 28 h"),
        (345_600, "about 4 days"),
        (8_640_000, "about 100 days"),
    ],
)
def test_times_are_rough(seconds, words):
    assert rough(seconds) == words


def test_sizes_have_a_suitable_unit():
    # the presets' maps: 5 views of 25 frames, 512 channels, 7 x 7 locations, 2 bytes
    assert weight(5 * 25 * 512 * 7 * 7 * 2) == "6.27 MB"
    assert weight(6_766 * 5 * 25 * 512 * 7 * 7 * 2) == "42.4 GB"
    assert weight(9_900) == "9.9 kB"

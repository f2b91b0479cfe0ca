"""When the sizes of classes are far apart, and that index says so."""

import pytest

from tavlad.data.balance import counted, imbalance


@pytest.mark.parametrize(
    ("clips", "warned"),
    [
        ({"a": 10, "b": 1}, True),
        ({"a": 9, "b": 1}, False),
        ({"a": 2, "b": 25, "c": 20}, True),
        ({"a": 30, "b": 0}, False),  # a class without clips is another matter
        ({"a": 5}, False),
        ({}, False),
    ],
)
def test_ten_times_as_many_clips_are_worth_a_word(clips: dict[str, int], warned: bool) -> None:
    assert bool(imbalance(clips)) == warned


def test_it_names_both_classes_and_what_helps() -> None:
    words = imbalance(counted(["wave"] * 2_400 + ["run"] * 3 + ["sit"] * 20))
    assert words.startswith("class wave has 2,400 clips, class run has 3: read mean class accuracy beside top-1")
    assert "class_weights: balanced in sections stage1 and stage2" in words

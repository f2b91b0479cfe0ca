"""Folds and validation parts on random data sets: each promise is checked on the result, not on the method."""

from collections import Counter

import numpy as np
import pytest

from tavlad.data import splits
from tavlad.data.table import Clip, Split
from tavlad.errors import TavladError

SEEDS = range(20)


def clip(one: str, label: str, group: str) -> Clip:
    return Clip(one, f"{one}.avi", label, group, "", "present")


def random_clips(seed: int, *, by_group: bool) -> list[Clip]:
    """2 to 5 classes of 9 to 30 clips; groups, where wanted, are 5 to 9 persons of whom each does every action."""
    rng = np.random.default_rng(seed)
    persons = int(rng.integers(5, 10))
    found = []
    for label in range(int(rng.integers(2, 6))):
        for number in range(int(rng.integers(9, 31))):
            one = f"{label}/{number:02}"
            found.append(clip(one, str(label), f"p{number % persons}" if by_group else one))
    return [found[index] for index in rng.permutation(len(found))]


def groups(clips: dict[str, Clip], ids: tuple[str, ...]) -> set[str]:
    return {clips[one].group for one in ids}


def labels(clips: dict[str, Clip], ids: tuple[str, ...]) -> Counter[str]:
    return Counter(clips[one].label for one in ids)


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_folds_test_every_clip_once_and_never_share_a_group(seed: int, by_group: bool) -> None:
    clips = random_clips(seed, by_group=by_group)
    by_id = {one.id: one for one in clips}
    made = splits.folds(clips, seed)
    assert Counter(one for split in made for one in split.test) == Counter(list(by_id))
    for split in made:
        assert sorted(split.train + split.test) == sorted(by_id)
        assert not groups(by_id, split.train) & groups(by_id, split.test)
        assert splits.check_parts("split", split, by_id) == []
        assert splits.check_classes("split", split, by_id, sorted({one.label for one in clips})) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_without_groups_are_stratified_to_the_clip(seed: int) -> None:
    clips = random_clips(seed, by_group=False)
    by_id = {one.id: one for one in clips}
    whole = labels(by_id, tuple(by_id))
    for split in splits.folds(clips, seed):
        assert all(abs(count - whole[label] / 3) < 1 for label, count in labels(by_id, split.test).items())


def test_folds_depend_on_the_seed_and_not_on_the_order() -> None:
    clips = random_clips(3, by_group=False)
    assert splits.folds(clips, 1) == splits.folds(clips[::-1], 1)
    assert splits.folds(clips, 1) != splits.folds(clips, 2)


@pytest.mark.parametrize("seed", range(3))
def test_of_three_groups_split_k_holds_out_the_kth(seed: int) -> None:
    clips = [clip(f"{label}/{group}{n}", label, group) for label in "ab" for group in ("z", "x", "y") for n in range(2)]
    held = [{one.split("/")[1][0] for one in split.test} for split in splits.folds(clips, seed)]
    assert held == [{"x"}, {"y"}, {"z"}]


def test_groups_of_one_class_each_are_spread_over_the_folds() -> None:
    clips = [clip(f"{label}/{n}", label, f"{label}{n // 2}") for label in "abcd" for n in range(12)]
    by_id = {one.id: one for one in clips}
    for split in splits.folds(clips, 0):
        assert labels(by_id, split.test) == Counter(dict.fromkeys("abcd", 4))


def test_classes_too_small_for_three_folds_are_all_named() -> None:
    sizes = {"a": 5, "b": 2, "c": 1}
    clips = [clip(f"{label}/{n}", label, f"{label}/{n}") for label, size in sizes.items() for n in range(size)]
    with pytest.raises(TavladError) as caught:
        splits.folds(clips, 0)
    assert [name for name, _ in caught.value.rows] == ["b", "c"]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_validation_takes_its_share_of_every_class_in_whole_groups(seed: int, share: float) -> None:
    made = [clip(f"{label}/{n}", label, f"{label}{n // 4}") for label in "abc" for n in range(100)]
    clips = {one.id: one for one in made}
    whole = Split(tuple(one.id for one in made[:-20]), (), tuple(one.id for one in made[-20:]))
    split = splits.carve(whole, clips, share, seed)
    assert split.test == whole.test
    assert Counter(split.train + split.validation) == Counter(whole.train)
    assert not groups(clips, split.train) & groups(clips, split.validation)
    counts, before = labels(clips, split.validation), labels(clips, whole.train)
    assert all(abs(counts[label] - share * before[label]) <= 2 for label in "abc")  # half a group of four


def test_validation_depends_on_the_seed_alone() -> None:
    clips = {one.id: one for one in random_clips(1, by_group=True)}
    whole = Split(tuple(sorted(clips)), (), ())
    drawn = [splits.carve(whole, clips, 0.25, seed) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len({split.validation for split in drawn}) > 1


def test_validation_never_takes_the_last_train_clips_of_a_class() -> None:
    clips = {one.id: one for one in [clip("a/1", "a", "x"), *(clip(f"b/{n}", "b", f"y{n}") for n in range(10))]}
    split = splits.carve(Split(tuple(clips), (), ()), clips, 0.9, 0)
    assert labels(clips, split.train) == {"a": 1, "b": 1}


def test_all_faults_of_a_split_are_found() -> None:
    clips = {one.id: one for one in [clip(name, "a", name[0]) for name in ("a1", "b1", "c1", "c2", "d1", "d2")]}
    split = Split(("a1", "b1", "b1", "c1", "d1"), ("d2",), ("a1", "c2"))
    assert splits.check_parts("split1", split, clips) == [
        ("a1", "split1: in train and in test"),
        ("b1", "split1: listed twice in train"),
        ("group c", "split1: shared by train (c1), test (c2)"),
        ("group d", "split1: shared by train (d1), validation (d2)"),
    ]


def test_absent_classes_are_found_in_train_and_in_test() -> None:
    clips = {one.id: one for one in [clip("1", "a", "1"), clip("2", "b", "2")]}
    assert splits.check_classes("split2", Split(("1",), (), ("2",)), clips, ["a", "b", "c"]) == [
        ("b", "split2: a class without train clips"),
        ("c", "split2: a class without train clips"),
        ("a", "split2: a class without test clips"),
        ("c", "split2: a class without test clips"),
    ]


def test_without_takes_clips_from_every_part() -> None:
    split = Split(("a", "b"), ("c",), ("d", "e"))
    assert splits.without(split, {"a", "c", "e"}) == Split(("b",), (), ("d",))
    assert [splits.part_of(split, one) for one in "acez"] == ["train", "validation", "test", ""]

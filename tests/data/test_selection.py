"""Some classes, some clips of each: which they are in every layout, and that they stay where they were."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tavlad.checking.dataset import take
from tavlad.console import quantity
from tavlad.data import indexing
from tavlad.data.indexing import Index
from tavlad.data.selection import Rules
from tavlad.data.splits import part_of
from tavlad.data.table import clip_id
from tavlad.errors import InputError
from tests.data.test_layouts import MADE, hmdb, own, ucf, write
from tests.data.test_reversal import GROUPS


def build(root: Path, layout: str, seed: int = 3, **rules: object) -> Index:
    return indexing.build_index(root, layout, Rules(seed, GROUPS[layout], **rules))  # type: ignore[arg-type]


def failures(root: Path, layout: str, **rules: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(root, layout, **rules)
    return [f"{name}: {reason}" for name, reason in caught.value.rows]


def parts(index: Index) -> dict[str, list[str]]:
    return {clip.id: [part_of(split, clip.id) for split in index.splits] for clip in index.clips}


def large_hmdb(root: Path, seed: int) -> Path:
    """Three classes of 40 clips of 13 movies, each movie by chance in train (1), test (2) or no part (0) of a split."""
    draw = random.Random(seed)
    for label in ("run", "sit", "wave"):
        for split in (1, 2, 3):
            sides = {movie: draw.choice("1112200") for movie in range(11)} | {11: "1", 12: "2"}
            names = [f"m{n % 13}_{label}_x_{n}.avi" for n in range(40)]
            text = "".join(f"{name} {sides[n % 13]}\n" for n, name in enumerate(names))
            write(root / f"{label}_test_split{split}.txt", text)
        for name in names:
            write(root / label / name)
    return root


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_classes_that_are_kept_stay_in_their_order_and_parts(tmp_path: Path, layout: str) -> None:
    root = ucf(tmp_path, clips=3) if layout == "ucf101" else large_hmdb(tmp_path, 0)
    whole = build(root, layout)
    names = tuple(whole.classes[:2][::-1]) if layout == "hmdb51" else (whole.classes[1],)
    some = build(root, layout, classes=names)
    assert some.classes == [name for name in whole.classes if name in names]
    assert some.clips == [clip for clip in whole.clips if clip.label in names]
    assert parts(some).items() <= parts(whole).items()
    assert some.notes[-1] == "1 class left out by dataset.classes"


def test_a_class_that_is_left_out_may_be_incomplete(tmp_path: Path) -> None:
    (own(tmp_path) / "void").mkdir()
    assert failures(tmp_path, "folders") == ["void: a class without clips: there is no video directly in this folder"]
    assert build(tmp_path, "folders", classes=("two",)).classes == ["two"]
    write(tmp_path / "three/p1_1.mp4")  # too few for folds
    assert build(tmp_path, "folders", classes=("one", "two")).classes == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("brush_hairs", "similar: brush_hair"),
        ("BRUSH_HAIR", "similar: brush_hair"),
        ("brush_hair (reversed)", "similar: brush_hair"),
        ("zzz", "there are brush_hair, cartwheel, catch, chew, clap, ..."),
    ],
)
def test_an_unknown_class_is_refused_with_near_ones(tmp_path: Path, name: str, words: str) -> None:
    for label in ("brush_hair", "cartwheel", "catch", "chew", "clap", "climb"):
        for number in range(3):
            write(tmp_path / label / f"p{number}_.mp4")
    rows = failures(tmp_path, "folders", classes=("catch", name))
    assert rows == [f"{name}: dataset.classes: no class has this name; {words}"]


def test_excluded_clips_of_a_class_that_is_left_out_are_neither_unknown_nor_counted(tmp_path: Path) -> None:
    root = ucf(tmp_path, clips=2)
    index = build(root, "ucf101", classes=("a",), exclude=("b/v_b_g01_c01", "a/v_a_g01_c01"))
    assert list(index.excluded) == ["a/v_a_g01_c01"]
    assert failures(root, "ucf101", classes=("a",), exclude=("a/typo",)) == [
        "a/typo: dataset.exclude: no clip has this id"
    ]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("limit", [6, 7, 20])  # in six parts at most
def test_a_limit_keeps_train_and_test_of_each_official_split(tmp_path: Path, seed: int, limit: int) -> None:
    root = large_hmdb(tmp_path, seed)
    whole = build(root, "hmdb51", seed)
    some = build(root, "hmdb51", seed, limit=limit)
    assert Counter(clip.label for clip in some.clips) == dict.fromkeys(whole.classes, limit)
    assert parts(some).items() <= parts(whole).items()
    for split in some.splits:
        for part in (split.train, split.test):
            assert {one.split("/")[0] for one in part} == set(whole.classes)
    smaller = {clip.id for clip in build(root, "hmdb51", seed, limit=limit - 1).clips} if limit > 6 else set()
    assert smaller <= {clip.id for clip in some.clips}


def test_a_limit_of_three_is_enough_for_ucf101_and_folds(tmp_path: Path) -> None:
    index = build(ucf(tmp_path / "ucf", groups=9, clips=4), "ucf101", limit=3)
    assert len(index.clips) == 6 and {clip.group for clip in index.clips} == {"g01", "g02", "g03"}
    folds = build(own(tmp_path / "own"), "folders", limit=3)
    assert Counter(clip.label for clip in folds.clips) == {"one": 3, "two": 3}
    assert len({clip.group for clip in folds.clips}) == 3  # the same persons in both classes, one clip of each


@pytest.mark.parametrize("layout", MADE)
def test_a_limit_is_drawn_by_the_seed_and_not_moved_by_other_clips(tmp_path: Path, layout: str) -> None:
    root = (
        own(tmp_path)
        if layout == "folders"
        else large_hmdb(tmp_path, 1)
        if layout == "hmdb51"
        else ucf(tmp_path, 30, 2)
    )
    first = build(root, layout, limit=6)
    assert build(root, layout, limit=6) == first
    chosen = {frozenset(clip.id for clip in build(root, layout, seed, limit=6).clips) for seed in range(5)}
    assert len(chosen) > 1
    if layout == "folders":
        write(root / "one/p9_9.mp4")
        now = {clip.id for clip in build(root, layout, limit=6).clips}
        assert len({clip.id for clip in first.clips} - now) <= 1


@pytest.mark.parametrize("layout", MADE)
def test_no_limit_and_a_large_one_change_nothing(tmp_path: Path, layout: str) -> None:
    root = MADE[layout](tmp_path)
    plain = build(root, layout)
    assert build(root, layout, limit=0, classes=()) == build(root, layout, limit=1000, classes=plain.classes) == plain


def test_folds_are_drawn_of_what_is_left(tmp_path: Path) -> None:
    root = own(tmp_path)
    index = build(root, "folders", classes=("one",), limit=4)
    assert sorted(one for split in index.splits for one in split.test) == [clip.id for clip in index.clips]
    persons = {clip.id: clip.group for clip in index.clips}
    for split in index.splits:
        assert not {persons[one] for one in split.train} & {persons[one] for one in split.test}


def test_a_reversal_comes_with_its_original(tmp_path: Path) -> None:
    root = ucf(tmp_path, groups=6, clips=3)
    plain, index = (build(root, "ucf101", classes=("a",), limit=5, reverse=reverse) for reverse in (False, True))
    assert index.classes == ["a", "a (reversed)"] and index.pairs == [("a", "a (reversed)")]
    assert {clip_id(clip.path) for clip in index.clips} == {clip.id for clip in plain.clips} and len(index.clips) == 10
    sides = parts(index)
    for clip in index.clips:
        assert sides[clip.id] == sides[clip_id(clip.path)]


def test_pairs_that_a_data_set_brings_are_kept_where_both_classes_are(tmp_path: Path) -> None:
    root = own(tmp_path)
    for label in ("three", "four"):
        for number in range(8):
            write(root / label / f"p{number // 2 + 1}_{number}.mp4")
    write(root / "reversals.csv", "class,reversal\none,two\nthree,four\n")
    assert build(root, "folders", classes=("one", "two")).pairs == [("one", "two")]
    assert build(root, "folders", classes=("one", "two", "three")).pairs == []


@pytest.mark.parametrize(("layout", "least"), [("folders", 3), ("split_folders", 2)])
def test_a_limit_below_what_splits_need_is_named(tmp_path: Path, layout: str, least: int) -> None:
    for part in ("train", "test") if layout == "split_folders" else ("",):
        own(tmp_path / part)
    words = "of a class cannot be in both parts of each split"
    with pytest.raises(
        InputError, match=f"dataset.limit: {quantity(least - 1, 'clip')} {words}: at least {least} are needed"
    ):
        indexing.build_index(tmp_path, layout, Rules(1, limit=least - 1))
    assert len(indexing.build_index(tmp_path, layout, Rules(1, limit=least)).clips) == 2 * least


def test_check_looks_at_the_selection_alone(tmp_path: Path) -> None:
    root = ucf(tmp_path, groups=4, clips=2)
    (root / "b/v_b_g01_c01.avi").unlink()
    found = take(root, "ucf101", Rules(1, classes=("a",), limit=6))
    assert (found.missing, found.extra, found.problems, len(found.present)) == ([], [], [], 6)
    assert found.summary.startswith("6 clips (0 missing) of 1 class; split1 ")


def test_of_three_movies_each_is_held_out_once(tmp_path: Path) -> None:
    index = build(hmdb(tmp_path), "hmdb51", limit=3)
    assert len(index.clips) == 6 and [len(split.test) for split in index.splits] == [2, 2, 2]

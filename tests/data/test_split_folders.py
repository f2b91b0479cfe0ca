"""train/, val/ and test/ with classes inside: one split, by hand, and what is wrong with folders that are no such."""

from pathlib import Path

import pytest

from tavlad.checking.dataset import layout_of, take
from tavlad.data import indexing
from tavlad.data.indexing import Index
from tavlad.data.selection import Rules
from tavlad.data.table import Split
from tavlad.errors import InputError
from tests.data.test_layouts import own, write

CLIPS = ("train/b/1.mp4", "train/b/2.mp4", "train/a/1.mp4", "val/a/1.mp4", "test/a/1.mp4", "test/b/7.avi")


def made(root: Path, *clips: str) -> Path:
    for name in clips or CLIPS:
        write(root / name, name)
    return root


def build(root: Path, **rules: object) -> Index:
    return indexing.build_index(root, "split_folders", Rules(1, **rules))  # type: ignore[arg-type]


def failures(root: Path, **rules: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(root, **rules)
    assert caught.value.advice
    return [f"{name}: {reason}" for name, reason in caught.value.rows]


def test_the_folders_are_the_parts_of_the_one_split(tmp_path: Path) -> None:
    write(made(tmp_path) / "readme.txt")
    write(tmp_path / "train/loose.mp4")
    index = build(tmp_path)
    assert index.classes == ["a", "b"]
    assert index.splits == [Split(("train/a/1", "train/b/1", "train/b/2"), ("val/a/1",), ("test/a/1", "test/b/7"))]
    assert [(clip.id, clip.label, clip.group) for clip in index.clips[:3]] == [
        ("test/a/1", "a", "test/a/1"),
        ("test/b/7", "b", "test/b/7"),
        ("train/a/1", "a", "train/a/1"),
    ]
    assert index.notes == ["ignored 1 video outside the class folders"]
    assert "; split1 3 train, 1 validation, 2 test; ignored" in index.summary()


def test_val_is_optional_and_a_share_can_take_its_place(tmp_path: Path) -> None:
    root = made(
        tmp_path, *(f"{part}/{label}/{n}.mp4" for part in ("train", "test") for label in "ab" for n in range(4))
    )
    (plain,), (carved,) = build(root).splits, build(root, validation=0.25).splits
    assert (len(plain.train), plain.validation, len(plain.test)) == (8, (), 8)
    assert len(carved.validation) == 2 and carved.test == plain.test
    assert sorted(carved.train + carved.validation) == sorted(plain.train)
    write(root / "val/a/9.mp4")
    rows = failures(root, validation=0.25)
    assert rows == ["dataset.validation: the data set has one already: set 0, or remove its clips"]


def test_a_reversal_is_in_the_part_of_its_original(tmp_path: Path) -> None:
    index = build(made(tmp_path), reverse=True)
    assert index.classes == ["a", "a (reversed)", "b", "b (reversed)"]
    assert index.splits[0].validation == ("val/a/1", "val/a (reversed)/1")
    assert len(index.splits[0].train) == 6 and len(index.clips) == 12


def test_what_is_excluded_has_the_column_of_each_split(tmp_path: Path) -> None:
    index = build(made(tmp_path), exclude=("train/b/2", "val/a/1"))
    assert index.excluded == {"train/b/2": ["train", "", ""], "val/a/1": ["validation", "", ""]}
    assert index.splits == [Split(("train/a/1", "train/b/1"), (), ("test/a/1", "test/b/7"))]


def test_a_group_in_train_and_test_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path, "train/a/p1_1.mp4", "train/a/p2_1.mp4", "test/a/p1_2.mp4")
    assert failures(root, groups=r"(p\d)_") == ["group p1: split1: shared by train (train/a/p1_1), test (test/a/p1_2)"]


@pytest.mark.parametrize(
    ("clips", "row"),
    [
        (("train/a/1.mp4", "val/a/1.mp4"), "test: is missing; if val/ is your held-out set, rename it to test/"),
        (("test/a/1.mp4",), "train: is missing"),
        (("train/1.mp4", "test/1.mp4"), ": has no class folder in train/ or test/"),
        ((*CLIPS, "valid/a/1.mp4"), "valid: is not train, val or test: rename it, or move it elsewhere"),
        ((*CLIPS, "train/c/1.mp4"), "c: split1: a class without test clips"),
        ((*CLIPS, "val/c/1.mp4"), "c: split1: a class without train clips"),
        ((*CLIPS, "test/b/notes.txt", "test/c/x.txt"), "test/c: a class without clips: there is no video directly"),
    ],
)
def test_folders_that_are_no_split_say_what_to_do(tmp_path: Path, clips: tuple[str, ...], row: str) -> None:
    rows = failures(made(tmp_path, *clips))
    assert [row in one for one in rows].count(True) == 1


def test_the_layout_of_classes_alone_names_this_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        indexing.build_index(made(tmp_path), "folders", Rules(1))
    assert caught.value.advice == "Set dataset.layout: split_folders in params.yaml."


def test_check_knows_it_from_classes_and_counts_its_parts(tmp_path: Path) -> None:
    found = take(made(tmp_path / "parted"), layout_of(tmp_path / "parted"), Rules(1))
    assert (found.layout, found.problems) == ("split_folders", [])
    parts = [("split1 train", 3, None), ("split1 validation", 1, None), ("split1 test", 2, None)]
    assert found.rows() == [("classes with clips", 2, None), ("clips", 6, None), *parts]
    assert layout_of(own(tmp_path / "own")) == "folders"
    for label in ("train", "test"):  # names of classes, as of a railway's
        write(tmp_path / "own" / label / "1.mp4")
    assert layout_of(tmp_path / "own") == "folders"

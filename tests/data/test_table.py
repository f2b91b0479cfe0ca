"""The tables come back as they were written, whatever is in a name, and are the same bytes in any order."""

from pathlib import Path

import pytest

from tavlad.data import table
from tavlad.data.table import Clip, Split

NAMES = ['wave/a #1, "b" & [c]; d!.avi', "wave/ü 日本.avi", "wave/x.y.avi"]


def clips() -> list[Clip]:
    return [Clip(table.clip_id(path), path, "wave", "g1", "0" * 64, "present") for path in NAMES]


def test_id_drops_only_the_last_suffix() -> None:
    assert [table.clip_id(path) for path in NAMES] == [path.removesuffix(".avi") for path in NAMES]


def test_clips_come_back_sorted_by_id(tmp_path: Path) -> None:
    table.write_clips(tmp_path / "clips.csv", reversed(clips()))
    assert table.read_clips(tmp_path / "clips.csv") == sorted(clips(), key=lambda clip: clip.id)


def test_order_of_writing_does_not_change_the_bytes(tmp_path: Path) -> None:
    table.write_clips(tmp_path / "one.csv", clips())
    table.write_clips(tmp_path / "two.csv", reversed(clips()))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert b"\r" not in (tmp_path / "one.csv").read_bytes()


def test_split_comes_back(tmp_path: Path) -> None:
    split = Split(train=("a", "d"), validation=(), test=("b, c",))
    table.write_split(tmp_path / "split1.csv", split)
    assert (tmp_path / "split1.csv").read_text() == 'id,part\na,train\n"b, c",test\nd,train\n'
    assert table.read_split(tmp_path / "split1.csv") == split


def test_unknown_part_is_refused(tmp_path: Path) -> None:
    (tmp_path / "split1.csv").write_text("id,part\na,training\n")
    with pytest.raises(ValueError, match="training"):
        table.read_split(tmp_path / "split1.csv")


def test_classes_keep_their_order(tmp_path: Path) -> None:
    table.write_classes(tmp_path / "classes.txt", ["wave", "brush hair", "Ärger"])
    assert table.read_classes(tmp_path / "classes.txt") == ["wave", "brush hair", "Ärger"]


def test_excluded_clips_are_counted_per_part(tmp_path: Path) -> None:
    parts = {"b": ["test", "train", ""], "a": ["train", "train", "validation"]}
    table.write_excluded(tmp_path / "excluded.csv", parts)
    counts = [table.count_excluded(tmp_path / "excluded.csv", split) for split in table.SPLITS]
    assert counts == [
        {"train": 1, "validation": 0, "test": 1},
        {"train": 2, "validation": 0, "test": 0},
        {"train": 0, "validation": 1, "test": 0},
    ]

"""Every clip a second time, backwards: names, parts and pairs, and what stands in the way."""

from pathlib import Path

import pytest

from tavlad.data import hashing, indexing
from tavlad.data.indexing import Index
from tavlad.data.reversal import both_ways, originals, read_pairs, reversal_id, write_pairs
from tavlad.data.selection import Rules
from tavlad.data.table import clip_id
from tavlad.errors import InputError
from tavlad.store import integrity
from tavlad.store.store import Store
from tests.data.test_layouts import MADE, own, ucf, write

GROUPS = {"ucf101": "", "hmdb51": "", "folders": r"(p\d)_"}


def build(root: Path, layout: str, exclude: tuple[str, ...] = (), reverse: bool = True, validation: float = 0) -> Index:
    return indexing.build_index(root, layout, Rules(3, GROUPS[layout], validation, exclude, reverse))


def failures(root: Path, layout: str, reverse: bool = True) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        build(root, layout, reverse=reverse)
    return list(caught.value.rows)


@pytest.mark.parametrize("validation", [0.0, 0.3])
@pytest.mark.parametrize("layout", MADE)
def test_every_clip_has_its_reversal_in_the_same_group_and_part(tmp_path: Path, layout: str, validation: float) -> None:
    root = MADE[layout](tmp_path)
    plain, index = (build(root, layout, (), reverse, validation) for reverse in (False, True))
    by_id, backwards = {clip.id: clip for clip in index.clips}, originals(index.clips)
    assert len(by_id) == len(index.clips) == 2 * len(plain.clips) and list(by_id) == sorted(by_id)
    assert [clip for clip in index.clips if clip.id not in backwards] == plain.clips
    assert sorted(backwards.values()) == [clip.id for clip in plain.clips] and originals(plain.clips) == {}
    for one, original in backwards.items():
        there, back = by_id[original], by_id[one]
        assert (back.path, back.group, back.status) == (there.path, there.group, there.status)
        assert back.label == f"{there.label} (reversed)" and one == reversal_id(original)
        assert clip_id(back.path) == original and one.split("/")[-2] == f"{original.split('/')[-2]} (reversed)"
        for split in index.splits:
            sides = [part for part, ids in split.parts().items() for which in (one, original) if which in ids]
            assert len(sides) == 2 and sides[0] == sides[1]
    assert index.splits == [both_ways(split) for split in plain.splits]
    assert index.classes == [name for label in plain.classes for name in (label, f"{label} (reversed)")]
    assert index.pairs == list(zip(index.classes[::2], index.classes[1::2], strict=True)) and plain.pairs == []


@pytest.mark.parametrize("named", ["b/v_b_g02_c01", "b (reversed)/v_b_g02_c01"])
def test_neither_of_a_clip_and_its_reversal_stays_without_the_other(tmp_path: Path, named: str) -> None:
    root = ucf(tmp_path, clips=2)
    index = build(root, "ucf101", (named,))
    both = {"b/v_b_g02_c01", "b (reversed)/v_b_g02_c01"}
    assert len(index.clips) == 2 * 12 - 2 and not both & {clip.id for clip in index.clips}
    assert index.excluded == {one: ["train", "test", "train"] for one in both}
    assert "split2 16 train, 6 test (excluded: 2 test)" in index.summary()
    assert index.summary().endswith("; half of them are reversals of the other half")


def test_a_reversal_that_is_excluded_where_there_is_none_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip has this id"):
        build(ucf(tmp_path), "ucf101", ("b (reversed)/v_b_g02_c01",), reverse=False)


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = own(tmp_path / "videos")
    read: list[Path] = []
    digest = integrity.file_digest
    monkeypatch.setattr(integrity, "file_digest", lambda path: [read.append(path), digest(path)][1])
    clips = hashing.hashed(root, build(root, "folders").clips, Store(tmp_path / "store"))
    assert len(read) == len(set(read)) == len(clips) / 2
    digests = {clip.id: clip.digest for clip in clips}
    assert all(digests[one] == digests[original] != "" for one, original in originals(clips).items())


def test_a_class_of_that_name_is_refused_beside_the_class_it_would_be_the_reversal_of(tmp_path: Path) -> None:
    own(tmp_path)
    for number in range(8):
        write(tmp_path / "one (reversed)" / f"p{number // 2 + 1}_{number}.avi", str(number))
    assert build(tmp_path, "folders", reverse=False).classes == ["one", "one (reversed)", "two"]
    rows = failures(tmp_path, "folders")
    name = "one (reversed)"
    assert (name, "dataset.reversed: is a class, and the name of the reversal of class one: rename one") in rows
    files = f"{name}/p1_0.avi", "one/p1_0.mp4"
    assert (files[0], f"dataset.reversed: has the id that the reversal of {files[1]} needs: rename one") in rows
    assert len(rows) == 1 + 8


def test_a_name_that_no_file_system_takes_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    label = "ü" * 125
    for number in range(8):
        write(tmp_path / label / f"p{number // 2 + 1}_{number}.avi", str(number))
    assert failures(tmp_path, "folders") == [(label, "dataset.reversed: its reversal's name has over 255 bytes")]


def test_pairs_that_a_data_set_brings(tmp_path: Path) -> None:
    root = ucf(tmp_path)
    write(root / "reversals.csv", "class,reversal\na,b\n")
    index = build(root, "ucf101", reverse=False)
    assert index.pairs == [("a", "b")]
    assert build(root, "ucf101").pairs == [("b", "b (reversed)"), ("a", "a (reversed)")]
    odd = [('say "no", twice', "ü 日本")]
    write_pairs(tmp_path / "written.csv", odd)
    assert read_pairs(tmp_path / "written.csv") == odd


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [("reversals.csv", "the header is not class,reversal")]),
        ("a,b\n", [("reversals.csv", "the header is not class,reversal")]),
        ("class,reversal\na,c\n", [("reversals.csv:2", "is not two classes of this data set")]),
        ("class,reversal\na\n", [("reversals.csv:2", "is not two classes of this data set")]),
        ("class,reversal\na,b\nb,a\n", [(name, "reversals.csv: is in 2 pairs, not in one") for name in "ba"]),
        (
            "class,reversal\na,a\n",
            [
                (name, f"reversals.csv: is in {count} pairs, not in one")
                for name, count in zip("ba", (0, 2), strict=True)
            ],
        ),
    ],
)
def test_pairs_that_are_none_are_named(tmp_path: Path, text: str, rows: list[tuple[str, str]]) -> None:
    write(ucf(tmp_path) / "reversals.csv", text)
    found = failures(tmp_path, "ucf101", reverse=False)
    assert found[: len(rows)] == rows
    assert {name for name, reason in found[len(rows) :]} <= {"a", "b"}

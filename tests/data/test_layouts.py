"""Small data sets made by hand: what each layout accepts, and that everything wrong with one is said at once."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tavlad.data import hashing, indexing
from tavlad.data.indexing import Index
from tavlad.data.selection import Rules
from tavlad.errors import TavladError
from tavlad.store import integrity
from tavlad.store.store import Store

ODD = ["a #1", "b & c", "d; e!", "[f] g", 'h, "i"', "ü 日本"]


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def ucf(root: Path, groups: int = 3, clips: int = 1) -> Path:
    """Classes b and a (in this order), `clips` of each in a group; split k tests group k."""
    write(root / "classInd.txt", "1 b\n2 a\n")
    names = {
        group: [f"{label}/v_{label}_g{group:02}_c{clip:02}.avi" for label in "ba" for clip in range(1, clips + 1)]
        for group in range(1, groups + 1)
    }
    for k in (1, 2, 3):
        train = [name for group, found in names.items() if group != k for name in found]
        write(root / f"trainlist0{k}.txt", "".join(f"{name} {'ba'.index(name[0]) + 1}\n" for name in train))
        write(root / f"testlist0{k}.txt", "".join(f"{name}\n" for name in names[k]))
    for found in names.values():
        for name in found:
            write(root / name, name)
    return root


def hmdb(root: Path) -> Path:
    """Classes run and wave, three odd movies each; split k tests movies k and k + 3."""
    for label in ("run", "wave"):
        files = [f"{movie}_{label}_f_nm_np1_fr_med_0.avi" for movie in ODD]
        for k in range(3):
            lines = [f"{name} {2 if number % 3 == k else 1} \n" for number, name in enumerate(files)]
            write(root / f"{label}_test_split{k + 1}.txt", "".join(lines))
        for name in files:
            write(root / label / name)
    return root


def own(root: Path, suffix: str = ".mp4") -> Path:
    """Classes one and two, clips of persons p1 to p4, two each."""
    for label in ("one", "two"):
        for number in range(8):
            write(root / label / f"p{number // 2 + 1}_{number}{suffix}", f"{label}{number}")
    return root


MADE: dict[str, Callable[[Path], Path]] = {"ucf101": ucf, "hmdb51": hmdb, "folders": own}


def build(root: Path, layout: str, groups: str = "", validation: float = 0, exclude: tuple[str, ...] = ()) -> Index:
    return indexing.build_index(root, layout, Rules(0, groups, validation, exclude))


def failures(
    root: Path, layout: str, groups: str = "", validation: float = 0, exclude: tuple[str, ...] = ()
) -> list[str]:
    with pytest.raises(TavladError) as caught:
        build(root, layout, groups, validation, exclude)
    return [f"{name}: {reason}" for name, reason in caught.value.rows]


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_names_with_odd_characters_keep_them(tmp_path: Path) -> None:
    index = build(hmdb(tmp_path), "hmdb51")
    assert {clip.group for clip in index.clips} == {f"{label}/{movie}" for label in ("run", "wave") for movie in ODD}
    assert {clip.status for clip in index.clips} == {"present"}
    assert all((tmp_path / clip.path).is_file() for clip in index.clips)


def test_lists_and_videos_may_lie_one_folder_below(tmp_path: Path) -> None:
    ucf(tmp_path / "videos")
    (tmp_path / "lists").mkdir()
    for file in (tmp_path / "videos").glob("*.txt"):
        file.rename(tmp_path / "lists" / file.name)
    write(tmp_path / "__MACOSX/._classInd.txt", "rubbish")
    index = build(tmp_path, "ucf101")
    assert index.clips[0].id == "videos/a/v_a_g01_c01"
    assert index.classes == ["b", "a"]


def test_a_byte_order_mark_and_blank_lines_are_harmless(tmp_path: Path) -> None:
    plain = build(ucf(tmp_path), "ucf101")
    for file in tmp_path.glob("*.txt"):
        file.write_text(file.read_text().replace("\n", "\r\n\r\n"), encoding="utf-8-sig", newline="")
    assert build(tmp_path, "ucf101") == plain


def test_a_missing_video_is_recorded_and_others_are_counted(tmp_path: Path) -> None:
    root = ucf(tmp_path)
    (root / "a/v_a_g02_c01.avi").unlink()
    write(root / "a/v_a_g09_c09.avi")
    index = build(root, "ucf101")
    assert [clip.id for clip in index.clips if clip.status == "missing"] == ["a/v_a_g02_c01"]
    assert index.notes == ["1 video on disk not in any list"]
    assert "6 clips (1 missing) of 2 classes" in index.summary()
    digests = {clip.path: clip.digest for clip in hashing.hashed(root, index.clips, Store(tmp_path / "store"))}
    assert digests.pop("a/v_a_g02_c01.avi") == ""
    assert digests == {path: hashlib.sha256(path.encode()).hexdigest() for path in digests}


def test_links_are_followed_wherever_they_point(tmp_path: Path) -> None:
    root = ucf(tmp_path / "data")
    (root / "a").rename(tmp_path / "elsewhere")
    (root / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(root)
    assert {clip.status for clip in build(tmp_path / "link", "ucf101").clips} == {"present"}


def test_everything_wrong_in_ucf101_lists_is_said_at_once(tmp_path: Path) -> None:
    root = ucf(tmp_path)
    append(root / "trainlist01.txt", "a/v_a_g01_c01.avi 2\n")
    append(root / "trainlist02.txt", "a/v_a_g02_c07.avi 2\na/v_a_g01_c01.avi 2\n")
    append(root / "trainlist03.txt", "../a/v_a_g07_c01.avi 2\n/etc/v_a_g07_c01.avi 2\na/v_a_g01_c02.avi 1\nnonsense\n")
    append(root / "testlist01.txt", "c/v_c_g01_c01.avi\na/x/v_a_g01_c01.avi\na/v_a_c01.avi\n")
    (root / "testlist03.txt").unlink()
    rows = failures(root, "ucf101", exclude=("a/v_a_g01_c01.avi", "typo"))
    for expected in [
        "a/v_a_g01_c01.avi: dataset.exclude: no clip has this id; did you mean a/v_a_g01_c01?",
        "typo: dataset.exclude: no clip has this id",
        "a/v_a_g01_c01: split1: in train and in test",
        "a/v_a_g01_c01: split2: listed twice in train",
        "group g02: split2: shared by train (a/v_a_g02_c07), test (a/v_a_g02_c01)",
        "trainlist03.txt:5: '../a/v_a_g07_c01.avi' leaves the data set's root",
        "trainlist03.txt:6: '/etc/v_a_g07_c01.avi' leaves the data set's root",
        "trainlist03.txt:7: says class 1, but 'a' is class 2 in classInd.txt",
        "trainlist03.txt:8: 'nonsense' is not <class>/<file> [<number>]",
        "testlist01.txt:3: class 'c' is not in classInd.txt",
        "testlist01.txt:4: 'a/x/v_a_g01_c01.avi' is not <class>/<file>",
        "a/v_a_c01.avi: no group in the file name: correct dataset.groups, or exclude the clip",
        "testlist03.txt: this list is missing",
    ]:
        assert expected in rows
    assert len(rows) == 13


def test_a_class_without_clips_is_named_for_each_split(tmp_path: Path) -> None:
    root = ucf(tmp_path)
    append(root / "classInd.txt", "3 empty\n")
    parts = [(k, part) for k in (1, 2, 3) for part in ("test", "train")]
    assert sorted(failures(root, "ucf101")) == [f"empty: split{k}: a class without {part} clips" for k, part in parts]


def test_everything_wrong_in_hmdb51_lists_is_said_at_once(tmp_path: Path) -> None:
    root = hmdb(tmp_path)
    append(root / "run_test_split1.txt", "x_run_0.avi 3\n../../x_run_0.avi 1\nx_walk_0.avi 1\n")
    (root / "wave_test_split2.txt").unlink()
    (root / "wave_test_split3.txt").write_bytes(b"\xe9t\xe9_wave_0.avi 1\n")
    assert sorted(failures(root, "hmdb51")) == [
        "run/x_walk_0.avi: no group in the file name: correct dataset.groups, or exclude the clip",
        "run_test_split1.txt:7: 'x_run_0.avi 3' is not <file> <0, 1 or 2>",
        "run_test_split1.txt:8: 'run/../../x_run_0.avi' leaves the data set's root",
        "wave_test_split2.txt: this list is missing",
        "wave_test_split3.txt: is not UTF-8 text: invalid continuation byte at byte 0",
    ]


def test_a_given_expression_takes_the_place_of_the_layouts_rule(tmp_path: Path) -> None:
    root = hmdb(tmp_path)
    assert any("shared by" in row for row in failures(root, "hmdb51", groups="_(run|wave)_"))


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_absent_lists_and_absent_videos_are_errors(tmp_path: Path, layout: str) -> None:
    root = MADE[layout](tmp_path / "whole")
    for path in [path for path in root.rglob("*.avi")]:
        path.unlink()
    assert any("no listed video is in" in row for row in failures(root, layout))
    (tmp_path / "empty").mkdir()
    assert any("is not in" in row for row in failures(tmp_path / "empty", layout))


def test_videos_in_two_places_are_an_error(tmp_path: Path) -> None:
    ucf(tmp_path)
    ucf(tmp_path / "copy")
    for file in (tmp_path / "copy").glob("*.txt"):
        file.unlink()
    assert any("several folders" in row for row in failures(tmp_path, "ucf101"))


def test_folders_need_no_lists(tmp_path: Path) -> None:
    index = build(own(tmp_path), "folders")
    assert index.classes == ["one", "two"]
    tested = sorted(one for split in index.splits for one in split.test)
    assert tested == [clip.id for clip in index.clips]
    assert index.notes == []


def test_folders_keep_persons_apart(tmp_path: Path) -> None:
    index = build(own(tmp_path, ".AVI"), "folders", groups="^(p.)")
    group = {clip.id: clip.group for clip in index.clips}
    assert set(group.values()) == {"p1", "p2", "p3", "p4"}
    for split in index.splits:
        assert not {group[one] for one in split.train} & {group[one] for one in split.test}


def test_folders_count_what_they_do_not_take(tmp_path: Path) -> None:
    root = own(tmp_path)
    write(root / "one/.hidden.mp4")
    write(root / "one/notes.txt")
    write(root / "one/odd.xyz")
    write(root / "two/sub/p1.mp4")
    write(root / "loose.mp4")
    index = build(root, "folders")
    assert len(index.clips) == 16
    assert index.notes == [
        "ignored 1 .txt, 1 .xyz (not the suffix of a video)",
        "ignored 1 folder inside class folders",
        "ignored 1 video outside the class folders",
    ]


def test_many_suffixes_that_are_not_taken_make_no_long_line(tmp_path: Path) -> None:
    root = own(tmp_path)
    for number in range(100):
        write(root / f"one/frame.{number:03}")
    for name in ("a.txt", "b.txt"):
        write(root / "two" / name)
    counts = "1 .000, 1 .001, 1 .002, 1 .003, 1 .004, 2 .txt, 95 others"
    assert build(root, "folders").notes == [f"ignored {counts} (not the suffix of a video)"]


def test_animations_are_videos(tmp_path: Path) -> None:
    assert len(build(own(tmp_path, ".gif"), "folders").clips) == 16


def test_everything_wrong_in_folders_is_said_at_once(tmp_path: Path) -> None:
    root = own(tmp_path)
    write(root / "one/p1_0.avi")
    write(root / "one/q1.mp4")
    for name in ("notes.txt", "more.txt", "moving.webp"):
        write(root / "three" / name)
    (root / "void").mkdir()
    write(root / "two/p1_line\nbreak.mp4")
    (root / "two" / b"p1_\xff.mp4".decode("utf-8", "surrogateescape")).touch()
    rows = failures(root, "folders", groups="(p.)_", exclude=("one/p9_9",))
    assert sorted(rows) == [
        r"'two/p1_\udcff.mp4': the name has bytes that are not UTF-8, or control characters: rename it",
        r"'two/p1_line\nbreak.mp4': the name has bytes that are not UTF-8, or control characters: rename it",
        "one/p1_0: duplicate id: one/p1_0.avi and one/p1_0.mp4 differ only in the suffix",
        "one/p9_9: dataset.exclude: no clip has this id",
        "one/q1.mp4: no group in the file name: correct dataset.groups, or exclude the clip",
        "three: a class without clips: there is no video directly in this folder, "
        "only 2 .txt, 1 .webp (not the suffix of a video)",
        "void: a class without clips: there is no video directly in this folder",
    ]


@pytest.mark.parametrize("groups", ["p[", "p.", "(p)(.)"])
def test_an_expression_needs_exactly_one_group(tmp_path: Path, groups: str) -> None:
    assert len(failures(own(tmp_path), "folders", groups=groups)) == 1


@pytest.mark.parametrize("layout", list(MADE))
def test_excluding_a_clip_moves_no_other(tmp_path: Path, layout: str) -> None:
    root = MADE[layout](tmp_path) if layout != "ucf101" else ucf(tmp_path, groups=8, clips=2)
    whole = build(root, layout, validation=0.25)
    gone = whole.splits[0].train[0]
    index = build(root, layout, validation=0.25, exclude=(gone,))
    assert gone not in {clip.id for clip in index.clips}
    parts = [next(part for part, ids in split.parts().items() if gone in ids) for split in whole.splits]
    assert index.excluded == {gone: parts}
    for before, after in zip(whole.splits, index.splits, strict=True):
        assert [set(ids) - {gone} for ids in before.parts().values()] == [set(ids) for ids in after.parts().values()]
    assert "split1 " in index.summary()
    assert "(excluded: 1 train)" in index.summary()


def test_excluding_a_faulty_clip_repairs_the_data_set(tmp_path: Path) -> None:
    root = own(tmp_path)
    write(root / "one/stranger.mp4")
    assert failures(root, "folders", groups="(p.)_")
    index = build(root, "folders", groups="(p.)_", exclude=("one/stranger",))
    assert len(index.clips) == 16
    assert index.excluded == {"one/stranger": ["", "", ""]}


def test_excluding_a_whole_class_from_a_part_is_an_error(tmp_path: Path) -> None:
    rows = failures(ucf(tmp_path), "ucf101", exclude=("a/v_a_g01_c01",))
    assert rows == ["a: split1: a class without test clips"]


def test_a_share_too_small_for_any_group_is_an_error(tmp_path: Path) -> None:
    assert len(failures(ucf(tmp_path), "ucf101", validation=0.1)) == 3


def test_unreadable_files_are_all_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ucf(tmp_path)
    index = build(root, "ucf101")

    def refuse(path: Path) -> str:
        if "g02" in path.name:
            raise PermissionError(13, "Permission denied")
        return "0"

    monkeypatch.setattr(integrity, "file_digest", refuse)
    with pytest.raises(TavladError) as caught:
        hashing.hashed(root, index.clips, Store(tmp_path / "store"))
    assert [name for name, _ in caught.value.rows] == ["a/v_a_g02_c01.avi", "b/v_b_g02_c01.avi"]

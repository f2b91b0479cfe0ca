"""The lists of a data set, compared with the files on disk; no video is decoded."""

import shutil
from pathlib import Path

import pytest

from tavlad.checking import dataset
from tavlad.checking.estimate import Work
from tavlad.data.selection import Rules
from tavlad.errors import TavladError
from tests.checking.lists import LISTS

needs_lists = pytest.mark.skipif(not LISTS.is_dir(), reason="the official lists are not in ../shared/splits")


def own_lists(root: Path) -> Path:
    """A user's own two classes with three groups each, with lists in the format of UCF101."""
    names = [f"{label}/v_{label}_g{group:02}_c01.avi" for label in ("run", "sit") for group in (1, 2, 3)]
    (root / "classInd.txt").write_text("1 run\n2 sit\n")
    for split in (1, 2, 3):
        for file, lines in (
            ("trainlist", [name for name in names if f"_g{split:02}" not in name]),
            ("testlist", [name for name in names if f"_g{split:02}" in name]),
        ):
            (root / f"{file}{split:02}.txt").write_text("\n".join(lines))
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    return root


def take(root: Path, exclude: tuple[str, ...] = (), reverse: bool = False) -> dataset.Inventory:
    return dataset.take(root, dataset.layout_of(root), Rules(0, exclude=exclude, reverse=reverse))


def test_lists_in_ucf101_format_are_not_mistaken_for_ucf101(tmp_path):
    found = take(own_lists(tmp_path))
    assert (found.layout, found.official, found.problems, found.missing, found.extra) == ("ucf101", None, [], [], [])
    assert [row[1:] for row in found.rows()] == [(2, None), (6, None), *[(4, None), (2, None)] * 3]


def test_reversals_count_as_clips_but_not_as_videos(tmp_path):
    plain, found = (take(own_lists(tmp_path), reverse=reverse) for reverse in (False, True))
    assert found.rows() == plain.rows() and found.present == plain.present
    assert found.summary.startswith("12 clips (0 missing) of 4 classes; split1 8 train, 4 test; ")
    work = Work.of(len(found.labels), found.splits, found.copies)
    assert work == Work(videos=6, clips=12, train=3 * 8, test=3 * 4, splits=3)
    assert Work.of(len(plain.labels), plain.splits, plain.copies) == Work(6, 6, 3 * 4, 3 * 2, 3)


def test_excluding_a_reversal_excludes_the_video(tmp_path):
    (own_lists(tmp_path) / "run/v_run_g02_c01.avi").unlink()
    found = take(tmp_path, ("run (reversed)/v_run_g02_c01",), reverse=True)
    assert (found.missing, len(found.labels)) == ([], 5)


def test_excluded_own_clips_are_not_required(tmp_path):
    (own_lists(tmp_path) / "run/v_run_g02_c01.avi").unlink()
    assert take(tmp_path).missing == ["run/v_run_g02_c01.avi"]
    found = take(tmp_path, ("run/v_run_g02_c01",))
    # leaves its class without a test clip in split 2, which index refuses
    assert (found.missing, found.problems) == ([], [("run", "split2: a class without test clips")])


def test_folders_without_lists_are_read_as_index_reads_them(tmp_path):
    for name in ("run/1.avi", "run/2.avi", "run/3.avi", "sit/1.avi", "sit/2.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = take(tmp_path)
    assert (found.layout, len(found.present), found.summary) == ("folders", 5, "")
    assert found.problems == [("sit", "has 2 separate clips or groups; three splits need 3")]
    (tmp_path / "sit/3.avi").touch()
    assert take(tmp_path).summary.startswith("6 clips (0 missing) of 2 classes; split1 4 train, 2 test")


def test_lists_of_both_data_sets_are_refused(tmp_path):
    (tmp_path / "classInd.txt").touch()
    (tmp_path / "run_test_split1.txt").touch()
    with pytest.raises(TavladError, match="UCF101: its lists"):
        dataset.layout_of(tmp_path)


@needs_lists
@pytest.mark.parametrize(("layout", "clips"), [("ucf101", 13_320), ("hmdb51", 6_766)])
def test_without_videos_every_listed_video_is_missing(tmp_path, layout, clips):
    shutil.copytree(LISTS / layout, tmp_path / "lists")
    found = take(tmp_path)
    assert (len(found.missing), found.present) == (clips, [])
    assert [name for name, _ in found.problems] == [str(tmp_path)]


@needs_lists
def test_a_shortened_list_is_not_accepted_as_official(tmp_path):
    shutil.copytree(LISTS / "ucf101", tmp_path / "lists")
    short = tmp_path / "lists/trainlist02.txt"
    short.write_text("".join(short.read_text().splitlines(keepends=True)[:-7]))
    assert ("lists: split2 train", "9,579 listed, 9,586 in the official lists") in take(tmp_path).problems

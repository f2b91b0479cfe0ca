"""The official lists of UCF101 and HMDB51, with an empty file in the place of every video."""

import shutil
from pathlib import Path

import pytest

from tavlad.data import hashing, indexing
from tavlad.data.indexing import Index
from tavlad.data.selection import Rules
from tavlad.store.store import Store

SHARED = Path(__file__).parents[2] / "../shared"
LISTS = SHARED / "splits"
needs_lists = pytest.mark.skipif(not LISTS.is_dir(), reason="the official lists are not in ../shared/splits")


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture(scope="module")
def ucf101(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ucf101")
    shutil.copytree(LISTS / "ucf101", root / "ucfTrainTestlist")
    for file in (root / "ucfTrainTestlist").glob("*list01.txt"):
        for line in file.read_text().splitlines():
            touch(root / "UCF-101" / line.split()[0])
    return root


@pytest.fixture(scope="module")
def hmdb51(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hmdb51")
    shutil.copytree(LISTS / "hmdb51", root / "testTrainMulti_7030_splits")
    for file in (root / "testTrainMulti_7030_splits").glob("*_test_split1.txt"):
        for line in file.read_text().splitlines():
            touch(root / file.name.removesuffix("_test_split1.txt") / line.strip()[:-2])
    return root


def sizes(index: Index) -> list[tuple[int, int]]:
    return [(len(split.train), len(split.test)) for split in index.splits]


@needs_lists
def test_ucf101_has_the_counts_of_the_paper(ucf101: Path) -> None:
    index = indexing.build_index(ucf101, "ucf101", Rules(0))
    assert sizes(index) == [(9537, 3783), (9586, 3734), (9624, 3696)]
    assert len(index.clips) == 13320
    assert len(index.classes) == 101
    assert {clip.status for clip in index.clips} == {"present"}
    assert {clip.group for clip in index.clips} == {f"g{number:02}" for number in range(1, 26)}
    assert index.notes == []


@needs_lists
def test_ucf101_labels_follow_class_ind(ucf101: Path) -> None:
    index = indexing.build_index(ucf101, "ucf101", Rules(0))
    lines = (LISTS / "ucf101/classInd.txt").read_text().splitlines()
    assert index.classes == [line.split()[1] for line in lines]
    stands = [clip for clip in index.clips if clip.label == "HandstandPushups"]
    assert len(stands) == 128
    assert stands[0].id == "UCF-101/HandstandPushups/v_HandStandPushups_g01_c01"


@needs_lists
@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("HandstandPushups", "v_HandstandPushups"),
        ("HandStandPushups", "v_HandStandPushups"),
        ("HandStandPushups", "v_HandstandPushups"),
    ],
)
def test_handstand_pushups_are_found_in_any_spelling(tmp_path: Path, folder: str, file: str) -> None:
    shutil.copytree(LISTS / "ucf101", tmp_path / "lists")
    for split in range(1, 4):  # lists in one spelling, files in another
        path = tmp_path / f"lists/testlist0{split}.txt"
        path.write_bytes(path.read_bytes().replace(b"v_HandStand", b"v_Handstand"))
    touch(tmp_path / folder / f"{file}_g01_c01.avi")
    index = indexing.build_index(tmp_path, "ucf101", Rules(0))
    found = [clip for clip in index.clips if clip.status == "present"]
    assert [(clip.id, clip.label) for clip in found] == [(f"{folder}/{file}_g01_c01", "HandstandPushups")]
    assert found[0].id in index.splits[0].test
    assert found[0].id in index.splits[1].train
    assert len(index.clips) == 13320


@needs_lists
def test_line_ends_do_not_matter(ucf101: Path, tmp_path: Path) -> None:
    shutil.copytree(LISTS / "ucf101", tmp_path / "lists")
    for path in (tmp_path / "lists").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    (tmp_path / "UCF-101").symlink_to(ucf101 / "UCF-101")
    assert indexing.build_index(tmp_path, "ucf101", Rules(0)) == indexing.build_index(ucf101, "ucf101", Rules(0))


@needs_lists
def test_hmdb51_has_the_counts_of_the_paper(hmdb51: Path) -> None:
    index = indexing.build_index(hmdb51, "hmdb51", Rules(0))
    assert sizes(index) == [(3570, 1530)] * 3
    assert index.classes == sorted(index.classes)
    assert len(index.classes) == 51
    assert len(index.clips) == 6766 - 395
    assert index.notes == ["395 listed videos not in any split"]
    for split in index.splits:
        for label in index.classes:
            assert sum(one.startswith(f"{label}/") for one in split.train) == 70
            assert sum(one.startswith(f"{label}/") for one in split.test) == 30


@needs_lists
@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_validation_is_a_stratified_share_of_train(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    plain, carved = (indexing.build_index(root, layout, Rules(7, validation=share)) for share in (0.0, 0.1))
    group = {clip.id: clip.group for clip in carved.clips}
    for before, after in zip(plain.splits, carved.splits, strict=True):
        assert after.test == before.test
        assert sorted(after.train + after.validation) == sorted(before.train)
        assert len(after.validation) == pytest.approx(0.1 * len(before.train), rel=0.25)
        assert not {group[one] for one in after.train} & {group[one] for one in after.validation}


@pytest.mark.skipif(not (SHARED / "clips/ps7_mhi").is_dir(), reason="no clips in ../shared/clips/ps7_mhi")
def test_ps7_mhi_holds_out_one_person_per_split(tmp_path: Path) -> None:
    index = indexing.build_index(SHARED / "clips/ps7_mhi", "folders", Rules(0, r"P(\d)T"))
    assert index.classes == ["action1", "action2", "action3"]
    assert sizes(index) == [(18, 9)] * 3
    for number, split in enumerate(index.splits, 1):
        assert all(f"P{number}T" in one for one in split.test)
    clips = hashing.hashed(SHARED / "clips/ps7_mhi", index.clips, Store(tmp_path))
    assert all(len(clip.digest) == 64 for clip in clips)

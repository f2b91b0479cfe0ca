"""Which videos are meant by files and folders: each once, in a lasting order, nothing in silence."""

import os
from pathlib import Path

import pytest

from tavlad.data import finding
from tavlad.data.finding import Videos, listed
from tavlad.errors import InputError


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_folder_gives_its_videos_sorted_however_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "b/2.avi", "b/10.AVI", "a.mp4", "b/c/d/e.mkv", "b.mp4", "b/caf\udce9.mov", "b/notes.txt", "README")
    make(tmp_path, ".x.mp4", ".git/y.mp4", "b/._2.avi")
    monkeypatch.chdir(tmp_path)
    found = Videos(["."])
    assert found.paths == ["a.mp4", "b/10.AVI", "b/2.avi", "b/c/d/e.mkv", "b/caf\udce9.mov", "b.mp4"]
    assert sorted(found.others) == ["README", "notes.txt"]


def test_a_named_file_is_always_one_and_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.mp4", "b.mp4", ".c.mp4", "notes.txt")
    monkeypatch.chdir(tmp_path)
    named = ["notes.txt", "gone.mp4", ".c.mp4", "./b.mp4", ".", "b.mp4", ".//a.mp4"]
    assert Videos(named).paths == ["notes.txt", "gone.mp4", ".c.mp4", "b.mp4", "a.mp4"]
    assert Videos(["x" * 300]).paths == ["x" * 300]  # longer than a name can be


def test_links_are_followed_but_in_circles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "clips/a.mp4", "elsewhere/b.mp4")
    for name, target in (("clips/again", "../clips"), ("clips/more", "../elsewhere"), ("clips/lost.mp4", "nowhere")):
        os.symlink(target, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert Videos(["clips", "elsewhere"]).paths == ["clips/a.mp4", "clips/lost.mp4", "clips/more/b.mp4"]


def test_all_folders_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/x.mp4", "b/x.mp4", "c/x.mp4")

    def visible(folder: Path) -> list[Path]:
        if folder.name in "ac":
            raise PermissionError(13, "Permission denied", str(folder))
        return sorted(folder.iterdir())

    monkeypatch.setattr(finding, "visible", visible)
    with pytest.raises(InputError) as error:
        Videos([str(tmp_path)])
    assert error.value.rows == [(str(tmp_path / name), "Permission denied") for name in "ac"]


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"", []),
        (b"a.mp4\n\n b .mp4\r\ncaf\xe9.mp4", ["a.mp4", " b .mp4", "caf\udce9.mp4"]),
        (b"a\nb.mp4\0c\r.mp4\0", ["a\nb.mp4", "c\r.mp4"]),
    ],
)
def test_a_list_has_lines_or_zeros(data: bytes, paths: list[str]) -> None:
    assert listed(data) == paths

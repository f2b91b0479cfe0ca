"""The clips that stage decode would refuse are named."""

import os
from pathlib import Path

from tavlad.checking.decoding import verdicts
from tavlad.video.batch import Tolerance
from tavlad.video.decode import Limits

LIMITS = Limits(workers=1, deadline=30, megabytes=1000)


def bad(root: Path, min_frames: int = 2) -> list[tuple[str, str]]:
    names = sorted(file.name for file in root.iterdir())
    return verdicts(root, names, 2, 16, Tolerance(min_frames, 0.1, 1.0), LIMITS, {})[0]


def test_all_names_of_a_broken_file_are_reported(tmp_path, tiny):
    os.link(tiny, tmp_path / "good.avi")
    (tmp_path / "empty.avi").touch()
    os.link(tmp_path / "empty.avi", tmp_path / "link.avi")
    (tmp_path / "symbolic.avi").symlink_to("empty.avi")
    names = ("empty.avi", "link.avi", "symbolic.avi")
    assert bad(tmp_path) == [(name, "the file is empty") for name in names]


def test_clips_with_fewer_than_min_frames_are_reported(tmp_path, tiny):
    os.link(tiny, tmp_path / "short.avi")
    assert bad(tmp_path) == []
    assert bad(tmp_path, min_frames=3) == [("short.avi", "decodes to only 2 frames, fewer than min_frames: 3")]


def test_a_file_that_disappears_affects_no_other(tmp_path, tiny):
    os.link(tiny, tmp_path / "good.avi")
    (tmp_path / "empty.avi").touch()
    found, _ = verdicts(tmp_path, ["gone.avi", "good.avi", "empty.avi"], 2, 16, Tolerance(2, 0.1, 1.0), LIMITS, {})
    assert found == [("empty.avi", "the file is empty"), ("gone.avi", "cannot be read: No such file or directory")]

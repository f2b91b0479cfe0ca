"""Segments that do not lie in their videos, found before anything is decoded."""

from pathlib import Path

import pytest

from tavlad.data.table import Clip, segment_id
from tavlad.video import timing
from tavlad.video.ends import compare_with_end, segments_beyond
from tests.video.painted import film, picture, retold

PICTURES = [picture(number) for number in range(50)]
LATE = "1 to 3.5 s is beyond the end of the video, at 2 s"
TIMES = [(0, 2000), (1000, 3000), (1000, 3500), (2000, 2500)]
REASONS = ["", "", LATE, "2 to 2.5 s is beyond the end of the video, at 2 s"]


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("h264", "libx264")]
)
def test_what_ends_after_the_video_is_told(tmp_path: Path, suffix: str, codec: str) -> None:
    path = film(tmp_path / f"film.{suffix}", PICTURES, codec, "yuv420p")
    assert compare_with_end(str(path), TIMES) == REASONS


@pytest.mark.parametrize("count", [10, 1000])
def test_a_header_that_lies_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    path = retold(film(tmp_path / "film.avi", PICTURES), count)
    assert compare_with_end(str(path), TIMES[:2]) == ["", ""]
    monkeypatch.setattr(timing, "duration_of", lambda *stream: 0.4)
    assert compare_with_end(str(path), TIMES) == REASONS


def test_files_are_looked_at_once_and_bad_ones_are_left_to_decode(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", PICTURES, "libx264", "yuv420p")
    (tmp_path / "text.mp4").write_text("no film")
    rows = [("film.mp4", "1", "3.5"), ("film.mp4", "1", "2"), ("film.mp4", "", ""), ("text.mp4", "1", "2")]
    clips = [Clip(segment_id(*row), row[0], "a", "", "", "present", *row[1:]) for row in rows]
    clips.append(Clip("gone@1-2", "gone.mp4", "a", "", "", "missing", "1", "2"))
    assert segments_beyond(tmp_path, clips, workers=1) == {"film@1-3.5": LATE}

"""`tavlad check` on a table of segments: all lines are held to the rules of index and decode."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checking.own import check, named
from tests.video.painted import film, picture

LINES = [f"{file}.avi,{label},{start},{start + 1}" for file in "abc" for start, label in enumerate(("run", "sit"))]


def table(root: Path, *lines: str) -> Path:
    root.mkdir()
    for file in "abc":
        film(root / f"{file}.avi", [picture(number) for number in range(60)])
    (root / "labels.csv").write_text("\n".join(["path,label,start,end", *LINES, *lines]))
    return root


def test_segments_that_are_in_order_are_measured(tmp_path: Path, project: Callable[[Path, str], None]) -> None:
    root = table(tmp_path / "own", "c.avi,run,,")
    project(root, "csv")
    result = check(str(root))
    assert result.exit_code == 0, result.output
    assert "is a complete data set of layout csv; all 7 clips decode" in result.stdout
    assert "x 7 videos" in result.stdout


@pytest.mark.parametrize("layout", ["csv", "folders"])
def test_what_is_wrong_is_named_by_line_or_by_clip(
    tmp_path: Path, project: Callable[[Path, str], None], layout: str
) -> None:
    root = table(tmp_path / "own", "a.avi,run,2,9", "gone.avi,sit,0,1", "b.avi,sit,1.5,1.56")
    project(root, layout)
    result = check(str(root))
    assert result.exit_code == 1
    rows = named(result)
    assert rows["labels.csv:8"] == "2 to 9 s is beyond the end of the video, at 2.4 s"
    assert rows["labels.csv:9"] == "gone.avi is missing: there is no such file below dataset.root"
    assert rows["b@1.5-1.56.avi"] == "decodes to only 1 frame, fewer than min_frames: 2"
    assert ("dataset.layout to csv" in result.stderr) == (layout == "folders")

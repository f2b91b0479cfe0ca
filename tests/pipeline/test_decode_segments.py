"""Stage decode on segments of files: what is new, what fails, and what a kill costs."""

import csv
from pathlib import Path

import pytest

from tavlad.data.table import Clip, segment_id, write_clips
from tavlad.store.recipes import file_digest
from tavlad.video.frames import indices, read_frames_file
from tests.pipeline.test_decode import configure, kill_midway, published, run
from tests.video.painted import film, numbers, picture, retold

LONG, SHORT = "matches/long.avi", "short.avi"
CUTS = [(LONG, str(second), str(second + 1)) for second in range(4)] + [(SHORT, "0.4", "1.2"), (SHORT, "", "")]


def index(folder: Path, rows: list[tuple[str, str, str]]) -> list[str]:
    """Write clips.csv of these files and times; the ids."""
    clips = [
        Clip(segment_id(*row), row[0], "label", "", file_digest(folder / "raw" / row[0]), "present", *row[1:])
        for row in rows
    ]
    write_clips(folder / "clips.csv", clips)
    return sorted(clip.id for clip in clips)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw/matches").mkdir(parents=True)
    film(tmp_path / "raw" / LONG, [picture(number) for number in range(100)])
    film(tmp_path / "raw" / SHORT, [picture(number) for number in range(100, 140)])
    configure(tmp_path)
    return tmp_path


def shown(folder: Path, clip: str) -> list[int]:
    return numbers(read_frames_file(folder / "frames" / f"{clip}.h5"))


def test_each_segment_is_a_clip_and_a_changed_line_makes_one(folder: Path) -> None:
    ids = index(folder, CUTS)
    status, output, errors = run(folder)
    assert status == 0, errors
    assert output.startswith("decoded 6 clips (6 new), 4 frames each") and published(folder) == ids
    for second in range(4):
        expected = [25 * second + offset for offset in indices(25, 4)]
        assert shown(folder, f"matches/long@{second}-{second + 1}") == expected
    assert shown(folder, "short@0.4-1.2") == [110 + offset for offset in indices(20, 4)]
    assert shown(folder, "short") == [100 + offset for offset in indices(40, 4)]
    rows = {row.pop("clip"): row for row in csv.DictReader((folder / "frames/counts.csv").open())}
    assert rows["matches/long@1-2"] == {
        **{"decoded_count": "100", "header_count": "100", "begin": "25", "end": "50"},
        **{"corrupt": "0", "concealed": "0"},
    }

    index(folder, list(reversed(CUTS)))
    assert "(0 new)" in run(folder)[1]
    index(folder, [(LONG, "0.52", "1"), *CUTS[1:]])
    assert "decoded 6 clips (1 new)" in run(folder)[1]
    assert shown(folder, "matches/long@0.52-1") == [13 + offset for offset in indices(12, 4)]
    index(folder, CUTS)
    assert "decoded 6 clips (0 new)" in run(folder)[1]


def test_a_whole_file_has_the_entry_of_any_other_layout(folder: Path) -> None:
    index(folder, CUTS)
    assert "(6 new)" in run(folder)[1]
    (folder / "clips.csv").write_text("id,path,label,group,digest,status\n")
    with open(folder / "clips.csv", "a") as file:
        file.write(f"short,{SHORT},label,,{file_digest(folder / 'raw' / SHORT)},present\n")
    assert "decoded 1 clip (0 new)" in run(folder)[1]


def test_a_segment_fails_alone_and_a_header_for_all_of_its_file(folder: Path) -> None:
    index(folder, [*CUTS, (LONG, "3.5", "9"), (LONG, "2", "2.1")])
    status, _, errors = run(folder)
    lines = {line.split()[0].rstrip(":"): line for line in errors.splitlines() if "@" in line}
    assert status == 1 and set(lines) == {"matches/long@3.5-9", "matches/long@2-2.1"}
    assert "3.5 to 9 s is beyond the end of the video, at 4 s" in lines["matches/long@3.5-9"]
    assert "decodes to only 3 frames, fewer than min_frames: 5" in lines["matches/long@2-2.1"]
    assert len(published(folder)) == 6

    retold(folder / "raw" / LONG, 120)
    index(folder, CUTS)
    status, _, errors = run(folder)
    assert status == 1 and errors.count("the header says 120 frames, only 100 decode") == 4
    configure(folder, tolerance=0.2)
    assert "decoded 6 clips (0 new)" in run(folder)[1]


def test_a_killed_run_keeps_the_files_that_it_had_finished(folder: Path) -> None:
    rows = []
    for number in range(24):
        film(folder / f"raw/{number}.avi", [picture(number) for number in range(50)])
        rows += [(f"{number}.avi", "0", "1"), (f"{number}.avi", "1", "2")]
    ids = index(folder, rows)
    kept = kill_midway(folder, len(ids))
    status, output, errors = run(folder)
    assert status == 0, errors
    assert f"decoded {len(ids)} clips ({len(ids) - kept} new)" in output and published(folder) == ids
    for name, (path, begin, _) in zip(sorted(ids), sorted(rows, key=lambda row: segment_id(*row)), strict=True):
        assert shown(folder, name) == [25 * int(begin) + offset for offset in indices(25, 4)], path
    assert [path for path in (folder / "store/tmp").rglob("*") if path.is_file()] == []

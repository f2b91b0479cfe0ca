"""Data sets in unusual places: names with spaces and accents, links, ten thousand clips in one folder."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import decode, index
from tavlad.data.table import read_clips
from tests.pipeline.test_decode import PARAMETERS, film
from tests.stages import LOCAL, own_code

DATASET = (
    "dataset: {root: raw, layout: folders, classes: [], limit: 0, groups: '', validation: 0.0, reversed: false, "
    "exclude: []}\n"
)


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to the new `folder`, with parameters for `index` and `decode`."""
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TAVLAD_STORE", str(folder / "data" / ".store"))
    top = ("frames", "short_side", "workers")
    lines = [f"{name}: {PARAMETERS[name]}" for name in top] + ["decode:"]
    lines += [f"  {name}: {value}" for name, value in PARAMETERS.items() if name not in top]
    (folder / "params.yaml").write_text(LOCAL + "\n".join(lines) + "\nindex: {seed: 1}\n" + DATASET)
    return folder


def name_root(root: str) -> None:
    """Set dataset.root in params.yaml."""
    file = Path("params.yaml")
    file.write_text(re.sub("root: [^,]*,", f"root: {json.dumps(root)},", file.read_text()))


def films(root: Path, clips: int) -> None:
    """Two classes of so many clips, all different."""
    for number in range(2 * clips):
        film(root / ("öffnen" if number % 2 else "zu machen") / f"clip {number}, é #1.avi", 8 + number, 20 * number)


def indexed(root: str = "raw") -> str:
    name_root(root)
    done = CliRunner().invoke(index.main, [own_code("index"), "index"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_spaces_and_accents_in_the_path_of_the_project(tmp_path, monkeypatch):
    folder = enter(tmp_path / "Meine Filme; & é 日本 'x' #1%20", monkeypatch)
    films(folder / "raw", 3)
    indexed()
    for new in (6, 0):
        done = CliRunner().invoke(decode.main, [own_code("decode"), "index/clips.csv", "frames"])
        assert done.exit_code == 0 and f"decoded 6 clips ({new} new)" in done.stdout, done.output
    ids = {clip.id for clip in read_clips(Path("index/clips.csv"))}
    assert {str(path.relative_to("frames"))[:-3] for path in Path("frames").rglob("*.h5")} == ids


def test_links_to_videos_and_to_the_root_work_like_the_files(tmp_path, monkeypatch):
    folder = enter(tmp_path / "project", monkeypatch)
    films(tmp_path / "elsewhere", 3)
    (folder / "raw").symlink_to(tmp_path / "elsewhere")
    for path in sorted((tmp_path / "elsewhere").rglob("*.avi")):
        link = folder / "linked" / path.relative_to(tmp_path / "elsewhere")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    tables = []
    for root in (str(tmp_path / "elsewhere"), "raw", "linked"):
        indexed(root)
        tables.append(Path("index/clips.csv").read_bytes())
    assert tables[0] == tables[1] == tables[2]
    done = CliRunner().invoke(decode.main, [own_code("decode"), "index/clips.csv", "frames"])
    assert done.exit_code == 0 and "decoded 6 clips (6 new)" in done.stdout, done.output
    next((tmp_path / "elsewhere").rglob("*.avi")).unlink()  # leaves a dangling link
    done = CliRunner().invoke(index.main, [own_code("index"), "index"])
    assert "(1 missing)" in done.output


def test_ten_thousand_clips_in_one_class(tmp_path, monkeypatch):
    folder = enter(tmp_path / "project", monkeypatch)
    for label, count in (("many", 10_000), ("few", 6)):
        (folder / "raw" / label).mkdir(parents=True)
        first = folder / "raw" / label / "0.avi"
        first.write_text(label)
        for number in range(1, count):
            os.link(first, folder / "raw" / label / f"{number}.avi")
    assert "10006 clips (0 missing) of 2 classes" in indexed().replace(",", "")
    assert len(read_clips(Path("index/clips.csv"))) == 10_006

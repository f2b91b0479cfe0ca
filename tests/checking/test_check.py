"""`tavlad doctor data` and stage index on stand-ins for the whole official data sets."""

import os
import re
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from pipeline.index import main as index
from tavlad.data import table
from tests.checking.lists import listed
from tests.checking.own import check, named, own_clips
from tests.stages import own_code

SPLITS = {
    "ucf101": [(9_537, 3_783), (9_586, 3_734), (9_624, 3_696)],
    "hmdb51": [(3_570, 1_530)] * 3,
}
CLASSES = {"ucf101": 101, "hmdb51": 51}
USED = {"ucf101": 13_320, "hmdb51": 6_371}  # 395 clips of HMDB51 are in no split
ALL = {"ucf101": 13_320, "hmdb51": 6_766}


def counted(result: Result, row: str) -> list[str]:
    """The numbers in a row of the table: found, official."""
    line = next(line for line in result.stdout.splitlines() if row in line)
    return re.findall(r"[\d,]+", line.split(row)[1])


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_a_complete_data_set_is_reported_as_complete(layout, stand_in, project, tmp_path):
    root = stand_in(layout)
    before = sorted(root.rglob("*"))
    project(root, layout)

    made = CliRunner().invoke(index, [own_code("index"), "index"])
    assert made.exit_code == 0, made.output
    clips = table.read_clips(Path("index/clips.csv"))
    assert (len(clips), {clip.status for clip in clips}) == (USED[layout], {"present"})
    assert {clip.digest for clip in clips} == {sha256((root / clips[0].path).read_bytes()).hexdigest()}
    sizes = [table.read_split(Path(f"index/{name}.csv")) for name in table.SPLITS]
    assert [(len(split.train), len(split.test)) for split in sizes] == SPLITS[layout]

    result = check(str(root))
    assert result.exit_code == 0, result.output
    assert counted(result, "classes with clips") == [str(CLASSES[layout])] * 2
    assert counted(result, "│ clips") == [f"{ALL[layout]:,}"] * 2
    for number, (train, test) in enumerate(SPLITS[layout], start=1):
        assert counted(result, f"split{number} train") == [f"{train:,}"] * 2
        assert counted(result, f"split{number} test") == [f"{test:,}"] * 2
    words = " ".join(re.sub(r"[│┃]", " ", result.stdout).split())
    training = sum(train for train, _ in SPLITS[layout])
    assert f"x {USED[layout]:,} clips" in words
    assert f"x 30 epochs x {training:,} training" in words
    # 2 views of 2 frames, 512 channels, 2 x 2 locations, 2 bytes: 16.4 kB
    assert f"({USED[layout]:,} x 16.4 kB, before compression)" in words
    assert result.stdout.splitlines()[-1].endswith(f"; all {ALL[layout]:,} clips decode")
    assert sorted(root.rglob("*")) == before, "the data set was written to"


def test_exactly_the_missing_and_broken_clips_are_named(stand_in, project, tiny):
    root = stand_in("hmdb51")
    project(root, "hmdb51")
    names = [f"hmdb51/{name}" for name in listed("hmdb51")]
    gone, broken = names[7:6_707:670], [names[100], names[3_000], names[6_765]]
    contents = [tiny.read_bytes()[: tiny.stat().st_size // 2], b"", b"this is no video\n" * 100]
    for name in [*gone, *broken]:
        (root / name).unlink()
    for name, content in zip(broken, contents, strict=True):
        (root / name).write_bytes(content)
    os.link(tiny, root / "hmdb51/wave/extra.avi")

    result = check(str(root))
    assert result.exit_code == 1
    reasons = named(result)
    assert (len(gone), set(reasons)) == (10, {*gone, *broken})
    assert {reasons[name] for name in gone} == {"is listed, but the file is missing"}
    assert reasons[broken[1]] == "the file is empty"
    assert "10 clips missing, 3 not decodable, 0 other problems" in result.stderr
    assert "1 video not in any list, hence not used: hmdb51/wave/extra.avi" in result.stderr
    assert counted(result, "│ clips") == ["6,756", "6,766"]
    assert "stage2" in result.stdout, "what is there is enough to measure the cost"


def test_a_long_list_is_shortened_without_the_option_all(tmp_path, project, tiny):
    root = tmp_path / "own"
    for label in ("run", "sit"):
        (root / label).mkdir(parents=True)
        for number in range(30):
            (root / label / f"{number}.avi").write_text("no video")
    os.link(tiny, root / "run/good.avi")
    project(root, "folders")
    result = check(str(root))
    assert (result.exit_code, len(named(result))) == (1, 21)
    assert named(result)["..."] == "and 40 more; --all lists them"
    assert "index would say: 61 clips" in result.stdout
    assert len(named(check(str(root), "--all"))) == 60


def test_parameters_for_another_data_set_are_detected(tmp_path, project, tiny):
    root = own_clips(tmp_path / "own", tiny)
    project(tmp_path / "elsewhere", "hmdb51")
    result = check(str(root))
    assert result.exit_code == 0, result.output
    assert f"set dataset.root to {root} and dataset.layout to folders" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[lines.index(next(line for line in lines if line.startswith("│ all"))) - 1].startswith("├")
    said = result.stdout.splitlines()[-1]
    assert said == f"doctor data: {root} is a complete data set of layout folders; all 6 clips decode"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU, so asking for one is valid")
def test_a_cost_that_cannot_be_measured_is_reported_with_everything_else(tmp_path, project, tiny):
    root = own_clips(tmp_path / "own", tiny)
    project(root, "folders")
    (root / "run/broken.avi").touch()
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("device: auto", "device: cuda"))
    result = check(str(root))
    assert result.exit_code == 1
    assert set(named(result)) == {"params.yaml", "run/broken.avi"}
    assert "torch finds no GPU" in named(result)["params.yaml"]


def test_incompatible_parameters_are_refused_first(tmp_path, project):
    project(tmp_path, "folders")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("crop: 64", "crop: 65"))
    result = check(str(tmp_path))
    assert (result.exit_code, set(named(result))) == (1, {"crop"})


def test_in_a_wrong_folder_it_says_where_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = check(str(tmp_path))
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: params.yaml is missing: run from the folder that holds dvc.yaml.\n",
    )

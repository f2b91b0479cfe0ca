"""Roots of data sets with names that a shell, a template or a pattern would read otherwise, through DVC."""

import csv
import re
from pathlib import Path

import pytest

from tavlad.params import read_yaml
from tavlad.video.frames import read_frames_file
from tests.pipeline.test_decode import film

pytestmark = pytest.mark.whole

pytestmark = pytest.mark.whole

ROOTS = [
    "data/raw/my videos",
    "data/raw/a & b",
    "data/raw/(copy) [x]",
    "data/raw/it's",
    'data/raw/"quoted"',
    "data/raw/$HOME ${seed} `id`",
    "data/raw/a; touch broken",
    "data/raw/-rf *?{1,2}",
    "data/raw/#1 %20 é 日本 ~ !! | > broken",
]
SMALL = {"frames": 3, "short_side": 24, "crop": 16, "decode": {"min_frames": 2}}


@pytest.fixture(scope="module")
def project(new_project):
    made = new_project("roots")
    for root in ROOTS:
        for number in range(6):
            film(made.folder / root / ("one" if number % 2 else "two") / f"{number}.avi", 8 + number, 20 * number)
    made.edit({**SMALL, "dataset": {"layout": "folders", "root": ROOTS[0]}})
    made.commit("roots")
    made.run("dvc", "repro", "check")
    return made


def decoded(project, root: str) -> set[str]:
    """The clips of which frames are there, all in order; each root has the same."""
    with open(project.folder / "data" / "index" / "clips.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all((project.folder / root / row["path"]).is_file() for row in rows)
    frames = project.folder / "data" / "frames"
    return {row["id"] for row in rows if read_frames_file(frames / f"{row['id']}.h5").shape == (3, 24, 32, 3)}


def no_surprise(project) -> bool:
    return not any(path.name == "broken" for path in project.folder.rglob("*"))


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_is_only_a_name(project, root):
    project.edit({"dataset": {"root": root}})
    project.run("dvc", "repro", "-s", "index", "decode")
    assert len(decoded(project, root)) == 6 and no_surprise(project)
    assert project.run("dvc", "status", "index", "decode", check=False).returncode == 0


def test_a_root_is_set_for_one_experiment_by_hydra_s_quotes(project):
    """As the README has it."""
    project.run("git", "checkout", "-q", "params.yaml")
    project.run("dvc", "exp", "run", "-S", 'dataset.root="data/raw/it\'s"', "decode")
    assert len(decoded(project, "data/raw/it's")) == 6 and no_surprise(project)


def test_a_root_that_is_no_folder_is_named(project):
    project.edit({"dataset": {"root": "data/raw/none"}})
    done = project.run("python", "-m", "pipeline.index", "data/code/index.txt", "data/index", check=False)
    assert done.returncode == 1 and "dataset.root in params.yaml names 'data/raw/none'" in done.stderr


def test_no_value_of_params_yaml_is_in_a_command():
    """A dependency is a path, which no shell sees; the names of splits are dvc.yaml's own, and plain words."""
    for stage in read_yaml(Path(__file__).parents[1] / "dvc.yaml")["stages"].values():
        assert set(re.findall(r"\$\{.*?\}", stage["cmd"])) <= {"${item.split}", "${splits}"}

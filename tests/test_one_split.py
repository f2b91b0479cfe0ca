"""The whole DAG on a data set of one split: what says which line to change, and folders of splits that are no more."""

import json
import shutil

import pytest

from tests.test_dag import CLIPS

pytestmark = pytest.mark.whole

HELD_OUT = "_g03_"


@pytest.fixture(scope="module")
def refused(new_project):
    """A project whose clips lie in train/ and test/, and whose dvc.yaml still names three splits; what DVC said."""
    project = new_project("one")
    project.edit(
        {"stage1": {"epochs": 1, "class_weights": "balanced"}, "stage2": {"epochs": 1, "class_weights": "balanced"}}
    )
    project.run("dvc", "repro", "demo")
    for file in sorted((project.folder / "data" / "demo").glob("*/*.avi")):
        part = "test" if HELD_OUT in file.name else "train"
        target = project.folder / "data" / "raw" / part / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    project.edit({"dataset": {"root": "data/raw", "layout": "split_folders", "groups": r"_g(\d+)_"}})
    return project, project.run("dvc", "repro", check=False)


def test_check_stops_it_and_prints_the_line(refused):
    project, done = refused
    assert done.returncode != 0 and "change line 4 of dvc.yaml to\n  - splits: {split: [split1]}" in done.stderr
    assert not (project.folder / "data" / "index").exists()


def test_with_that_line_it_runs_and_looks_at_no_other_split(refused):
    project, done = refused
    line = next(line for line in done.stderr.splitlines() if line.startswith("  - splits:"))
    dag = project.folder / "dvc.yaml"
    lines = dag.read_text().splitlines()
    lines[3] = line
    dag.write_text("\n".join(lines) + "\n")
    data = project.folder / "data"
    for stage in ("evaluate", "stage1", "stage2"):  # as an earlier run of three splits leaves them
        (data / stage / "split2").mkdir(parents=True)
        (data / stage / "split2" / "metrics.json").write_text("{")
    project.run("dvc", "repro")
    assert set(json.loads((data / "metrics.json").read_text())) == {"mean", "split1"}
    for table in ("classes", "comparison"):
        head = (data / "summary" / f"{table}.csv").read_text().splitlines()[0]
        assert head.endswith(",split1,mean") and "split2" not in head
    page = (data / "summary" / "index.html").read_text()
    assert "the mean of 1 split" in page and "split2" not in page
    clips = json.loads((data / "evaluate" / "split1" / "metrics.json").read_text())["clips"]
    assert clips == {"train": CLIPS * 2 // 3, "validation": 0, "test": CLIPS // 3}
    said = project.run("python", "-m", "tavlad.cli", "doctor", "results").stdout
    assert "doctor results: split1: all metrics follow" in said
    assert "up to date" in project.run("dvc", "repro").stdout

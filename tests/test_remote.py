"""A remote: who pulls what another has pushed computes nothing again."""

import json
import subprocess

import pytest

from tests.project import Project
from tests.test_dag import ran

pytestmark = pytest.mark.whole


def test_what_was_pushed_is_pulled_and_not_computed_again(new_project, tmp_path):
    first = new_project("first")
    first.keep_one_split()
    first.edit({"stage1": {"epochs": 1}, "stage2": {"epochs": 1}})
    first.run("dvc", "repro")
    first.run("dvc", "remote", "add", "--default", "away", str(tmp_path / "remote"))
    first.commit("ran")
    first.run("dvc", "push")
    second = clone(first, tmp_path / "second")
    assert not (second.folder / "data" / "index").exists() and not (second.folder / "data" / ".store").exists()
    second.run("dvc", "pull")
    for file in ("stage2/split1/model.safetensors", "metrics.json", "summary/classes.csv"):
        assert (second.folder / "data" / file).read_bytes() == (first.folder / "data" / file).read_bytes()
    assert ran(second.run("dvc", "repro").stdout) == set()
    assert second.run("git", "status", "--porcelain").stdout == ""
    assert not (second.folder / "data" / ".store").exists(), "a stage has opened the store"
    assert json.loads(second.run("dvc", "status", "--json").stdout) == {}
    (second.folder / "data" / "metrics.json").write_text("{}")
    assert "summary" in second.run("dvc", "status").stdout  # so a stage that had to run would have been seen


def clone(project: Project, folder) -> Project:
    """A clone of `project`'s repository, in the same environment; nothing but what git holds."""
    subprocess.run(["git", "clone", "-q", project.folder, folder], check=True)
    cloned = Project.__new__(Project)
    cloned.folder, cloned.environment = folder, project.environment
    return cloned

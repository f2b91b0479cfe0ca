"""The patches of docs/extend.md: each applies alone, its tests pass, and the DAG runs with all of them at once."""

import csv
import json
import re
import shutil
from pathlib import Path

import h5py
import pytest
from safetensors import safe_open

from tavlad.features.cache import read_shape
from tavlad.learning.checkpoints import read_facts
from tests.test_dag import CLIPS

pytestmark = pytest.mark.whole

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text()
PATCHES = {
    section.splitlines()[0]: patch
    for section in re.split(r"^## An? ", PAGE, flags=re.MULTILINE)[1:]
    for patch in re.findall(r"^```diff\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
}
CHOSEN = {
    "temporal": "conv",
    "attention": "energy",
    "extract": {"views": 2},
    "stage1": {"epochs": 1},
    "stage2": {"epochs": 1},
    "dataset": {"layout": "kth", "root": "data/raw"},
    "backbone": {"network": "shufflenet_v2_x0_5", "weights": "random"},
}
NETWORK_TESTS = ("state_dict_names", "maps_and_classifier", "folding", "stage_2_trains", "forward_and", "has_a_family")


@pytest.fixture(scope="module")
def extended(new_project):
    """A project with all patches, and the demo's clips named as the KTH actions are."""
    project = new_project("extend")
    project.keep_one_split()
    for name, patch in PATCHES.items():
        file = project.folder.with_name(f"{name}.diff")
        file.write_text(patch)
        project.run("git", "apply", "--check", "--verbose", str(file))  # alone
    for name in PATCHES:
        project.run("git", "apply", str(project.folder.with_name(f"{name}.diff")))
    project.run("dvc", "repro", "demo")
    (project.folder / "data" / "raw").mkdir()
    for file in (project.folder / "data" / "demo").glob("*/*.avi"):
        action, person = re.fullmatch(r"v_(\w+)_g(\d+)_c01", file.stem).groups()
        shutil.copyfile(file, project.folder / "data" / "raw" / f"person{person}_{action.lower()}_d1.avi")
    project.edit(CHOSEN)
    project.commit("extended")
    return project


def test_the_page_has_five_patches():
    assert list(PATCHES) == ["temporal model", "attention", "augmentation", "layout", "backbone"]
    assert PAGE.count("```diff") == 5


def test_their_tests_pass_and_the_house_stays_in_order(extended):
    files = [name for patch in PATCHES.values() for name in re.findall(r"^\+\+\+ b/(tests/.*)$", patch, re.MULTILINE)]
    assert len(files) == 5
    networks = "tests/model/test_networks.py"
    run = ("python", "-m", "pytest", "-n", "0")
    extended.run(*run, *(name for name in files if name != networks), "tests/test_house.py")
    chosen = f"({' or '.join(NETWORK_TESTS)}) and (shufflenet_v2_x0_5 or has_a_family)"
    said = extended.run(*run, networks, "-k", chosen).stdout
    assert re.search(r"\b7 passed", said), said


def test_the_dag_runs_with_all_of_them(extended):
    extended.run("dvc", "repro")
    data = extended.folder / "data"
    with open(data / "index" / "clips.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLIPS
    assert all(row["id"] == f"{row['group']}_{row['label']}_d1" for row in rows)
    with safe_open(data / "backbone" / "backbone.safetensors", framework="pt") as weights:
        assert json.loads(weights.metadata()["backbone"])["network"] == "shufflenet_v2_x0_5"
    gains = []
    for row in rows:
        maps = data / "features" / f"{row['id']}.h5"
        assert read_shape(maps) == (2, 4, 1024, 2, 2)
        with h5py.File(maps) as file:
            first, second = json.loads(file.attrs["draws"])
        assert first is None
        gains.append(second["gain"])
    assert set(gains) == {0.8, 1.0, 1.25}
    model = data / "stage2" / "split1"
    assert len(read_facts(model).classes) == 8
    card = (model / "README.md").read_text()
    assert "| temporal | conv |" in card and "| attention | energy |" in card
    clip = next((data / "raw").glob("*.avi"))
    ask = "import sys, tavlad; print(tavlad.predict(sys.argv[1], sys.argv[2]).classes[0])"
    assert extended.run("python", "-c", ask, str(clip), str(model)).stdout.strip() in {row["label"] for row in rows}
    assert not extended.network_log.exists()

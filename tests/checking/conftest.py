"""Stand-ins for the official data sets: the real lists, with a link to one tiny video in place of every clip."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from tavlad.video.writer import write_video
from tests.checking.lists import LISTS, listed

ROOT = Path(__file__).parents[2]
SMALL = {
    "frames": 2,
    "short_side": 64,
    "crop": 64,
    "clusters": 4,
    "hidden": 8,
    "workers": 1,
    "precision": "float32",
    "deterministic": False,
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two frames of 16 pixels."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.avi"
    write_video(path, (np.full((16, 16, 3), level, np.uint8) for level in (0, 200)), fps=25)
    return path


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Callable[[str], Path]:
    """A function that makes the data set of a layout in a new folder, unpacked as README says."""

    def make(layout: str) -> Path:
        if not LISTS.is_dir():
            pytest.skip("the official lists are not in ../shared/splits")
        root = tmp_path_factory.mktemp(layout)
        lists, home = {
            "ucf101": ("ucfTrainTestlist", "UCF-101"),
            "hmdb51": ("testTrainMulti_7030_splits", "hmdb51"),
        }[layout]
        shutil.copytree(LISTS / layout, root / lists)
        for name in listed(layout):
            path = root / home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(tiny, path)
        return root

    return make


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], None]:
    """A function that changes to a folder with small parameters for a data set."""

    def enter(root: Path, layout: str) -> None:
        yaml = YAML()
        document = yaml.load(ROOT / "presets/hmdb51.yaml")
        document.update(SMALL)
        document["dataset"].update(root=str(root), layout=layout)
        document["extract"]["views"] = document["stage1"]["batch"] = 2
        document["stage2"].update(batch=2, micro_batch=2)
        yaml.dump(document, tmp_path / "params.yaml")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))

    return enter

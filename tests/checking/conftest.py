"""Stand-ins for the official data sets: their own lists, and a link to one tiny video in the place of every clip."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tavlad.video.writer import write_video
from tests.checking.lists import LISTS, listed


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two frames of 16 pixels."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.avi"
    write_video(path, (np.full((16, 16, 3), level, np.uint8) for level in (0, 200)), fps=25)
    return path


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Callable[[str], Path]:
    """A function that makes the data set of a layout, as README wants it unpacked, in a new folder."""

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

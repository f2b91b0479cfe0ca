"""Each script of examples/ runs, on a project as the stages leave it, and says what is so."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tavlad.cli import main
from tests.commands.finished_project import CLASSES, CLIPS, SPLITS, write_clip, write_index, write_model
from tests.commands.made import make_clip, make_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for seed, clip in enumerate(CLIPS):
            write_clip(clip, seed)
        write_index()
        write_model(Path("data/stage1/split1"), 1, epochs=1, backbone=False)
    return root


def run(project: Path, script: str, *arguments: object) -> list[str]:
    """The lines that a script of examples/ prints."""
    command = [sys.executable, str(ROOT / "examples" / script), *map(str, arguments)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_predict_says_what_the_command_says_and_where_it_looks(project: Path) -> None:
    clip, model = make_clip(project / "clip.mp4"), make_model(project / "model")
    lines = run(project, "predict.py", clip, model)
    printed = CliRunner().invoke(main, ["predict", str(clip), "--model", str(model), "-o", "-"])
    ranked = json.loads(printed.stdout)["classes"]
    assert lines[:3] == [f"{one['probability']:7.2%}  {one['class']}" for one in ranked]
    places = [re.fullmatch(r"frame (\d): most at row ([01]), column ([01]); .*: \S.*", line) for line in lines[4:]]
    assert [int(place[1]) for place in places if place] == [0, 1, 2]  # each frame of 64 pixels has 2 x 2 locations
    logits = [float(text) for text in re.findall(r"-?\d+\.\d*", lines[3])]
    exact = {one["class"]: one["logit"] for one in ranked}
    assert logits == pytest.approx([exact[name] for name in ("dance", "jump", "run")], abs=0.05)


def test_the_cache_is_read_as_plain_hdf5_has_it(project: Path) -> None:
    lines = run(project, "read_cache.py", "data", "split1")
    means = []
    for label in CLASSES:
        clips = [clip for clip in SPLITS["split1"].train if clip.startswith(label)]
        maps = []
        for clip in clips:
            with h5py.File(project / f"data/features/{clip}.h5") as file:
                maps.append(file["maps"][0].astype(float))
        means.append(np.mean(maps, axis=(0, 1, 3, 4)))
    (expected,) = (np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)) for a, b in combinations(means, 2))
    assert lines == [
        "2 clips: 1 views of 2 frames, 512 channels at 2 x 2 locations",
        f"most alike: jump and run, cosine {expected:.4f}",
    ]


def test_a_temporal_model_of_ones_own_learns(project: Path) -> None:
    lines = run(project, "temporal_model.py", "data", "split1")
    found = [re.fullmatch(r"epoch (\d+): loss ([\d.]+), training accuracy ([\d.]+)", line) for line in lines]
    losses = [float(one[2]) for one in found if one]
    assert len(losses) == len(lines) == 10 and losses[-1] < 0.8 * losses[0] and lines[-1].endswith("1.000")


def test_each_example_is_run_here() -> None:
    scripts = {file.name for file in (ROOT / "examples").glob("*.py")}
    assert scripts == set(re.findall(r'"(\w+\.py)"', Path(__file__).read_text()))

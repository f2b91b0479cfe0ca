"""A run is read at its own Git revision, its groups of clips too, whatever lies in the workspace."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tavlad.data.reversal import write_pairs
from tavlad.data.table import SPLITS, Clip, write_clips
from tavlad.experiments.outcomes import read_outcome
from tavlad.experiments.plan import Run
from tests.experiments.made import predictions


def _write_run(folder: Path, groups: list[str]) -> None:
    index = folder / "data" / "index"
    index.mkdir(parents=True, exist_ok=True)
    clips = [Clip(f"clip{i}", f"clip{i}.avi", "a", group, "", "present") for i, group in enumerate(groups)]
    write_clips(index / "clips.csv", clips)
    (folder / "dvc.yaml").write_text(f"vars: [{{splits: {{split: [{', '.join(SPLITS)}]}}}}]")
    write_pairs(index / "reversals.csv", [(groups[0], groups[-1])])
    for number, split in enumerate(SPLITS):
        trained, scored = (folder / "data" / stage / split for stage in ("stage1", "evaluate"))
        for place in (trained, scored):
            place.mkdir(parents=True, exist_ok=True)
        predictions([True, False, number > 0], "clip").save(scored / "predictions_stage1.h5")
        (scored / "metrics.json").write_text(json.dumps({"top1": number}))
        tensors = {"temporal.weight": np.zeros((2, 3)), "classifier.bias": np.zeros(8), "vlad.centres": np.zeros(5)}
        metadata = {"tavlad": json.dumps({"facts": {"recipe": split}})}
        save_file(tensors, trained / "model.safetensors", metadata)


@pytest.fixture
def revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The first of two commits, which put the clips into other groups."""
    monkeypatch.chdir(tmp_path)

    def git(*arguments: str) -> str:
        named = ["-c", "user.name=t", "-c", "user.email=t@t"]
        return subprocess.run(["git", *named, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").touch()
    found = []
    for groups in (["p", "p", "q"], ["x", "y", "z"]):
        _write_run(tmp_path, groups)
        git("add", "-A")
        git("commit", "-qm", "run")
        found.append(git("rev-parse", "HEAD"))
    return found[0]


def test_groups_predictions_and_sizes_are_those_of_the_revision(revision: str, tmp_path: Path) -> None:
    timings = tmp_path / "timings.jsonl"
    timings.write_text("".join(json.dumps({"key": key, "seconds": 2, "new": True}) + "\n" for key in SPLITS))
    found = read_outcome(Run("a-seed1-stage1", "a", 1, True, {}), revision, timings)
    assert found.groups == {"clip0": "p", "clip1": "p", "clip2": "q"} and found.pairs == [("p", "q")]
    assert list(found.predictions) == ["stage1"] and found.parameters == 14 and found.seconds == {"stage1": 6}
    assert [split.right.tolist() for split in found.predictions["stage1"]] == [
        [True, False, number > 0] for number in range(3)
    ]
    assert found.metrics == [{"top1": number} for number in range(3)]

"""The summary command over fabricated outputs of evaluation and training."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.summary import main
from tavlad.learning.scores import Predictions
from tavlad.report.metrics import stage_metrics, write_json

CLASSES = ("a", "b", "c")
CURVE = "epoch,loss,accuracy,lr\n1,1.1,0.4,0.01\n2,0.2,0.95,0.005\n"


def fabricate(root: Path, split: str, right: int, excluded: int = 0) -> None:
    labels = np.arange(30) % 3
    predicted = np.where(np.arange(30) < right, labels, (labels + 1) % 3)
    ids = tuple(f"clip {i}" for i in range(30))
    made = Predictions(ids, labels, np.eye(3, dtype=np.float32)[predicted], CLASSES)
    folder = root / "evaluate" / split
    folder.mkdir(parents=True)
    made.save(folder / "predictions.h5")
    made.save(folder / "predictions_stage1.h5")
    scores = stage_metrics(made, 2)
    lost = {"train": excluded, "validation": 0, "test": 0}
    write_json({"stage1": scores, "stage2": scores, "excluded": lost}, folder / "metrics.json")
    for stage in ("stage1", "stage2"):
        (root / stage / split).mkdir(parents=True)
        (root / stage / split / "curve.csv").write_text(CURVE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    for split, right in (("split1", 27), ("split2", 24), ("split3", 30)):
        fabricate(tmp_path, split, right)
    return tmp_path


def run(*splits: str) -> str:
    outcome = CliRunner().invoke(main, ["evaluate", "stage1", "stage2", "summary", "metrics.json", *splits])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_it_writes_the_numbers_the_tables_and_the_curves(project: Path) -> None:
    output = run("split1", "split2", "split3")
    text = (project / "metrics.json").read_text()
    assert list(json.loads(text).items()) == [("mean", 0.9), ("split1", 0.9), ("split2", 0.8), ("split3", 1.0)]
    names = sorted(path.name for path in (project / "summary").iterdir())
    assert names == ["classes.csv", "curves.png", "warnings.txt"]
    assert (project / "summary/warnings.txt").read_text() == "" and "warning" not in output
    assert output.splitlines()[-1] == "summary: mean top-1 0.900 of 0.900, 0.800, 1.000"


def test_the_same_input_gives_the_same_bytes(project: Path) -> None:
    digests = []
    for _ in range(2):
        run("split1", "split2")
        files = [project / "metrics.json", *sorted((project / "summary").iterdir())]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]


def test_doubts_are_printed_and_kept(project: Path) -> None:
    fabricate(project, "split4", 9, excluded=5)
    output = run("split1", "split4")
    kept = (project / "summary/warnings.txt").read_text().splitlines()
    assert len(kept) == 2 and all(line.startswith("split4: ") for line in kept)
    assert all(f"warning: {line}" in output for line in kept)
    assert json.loads((project / "metrics.json").read_text())["excluded"] == 5

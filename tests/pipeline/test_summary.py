"""The summary command over fabricated outputs of evaluation and training."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.summary import main
from tavlad.learning.clip_attention import ClipAttention, save_attention
from tavlad.learning.scores import Predictions
from tavlad.report.evaluation import stage_metrics, write_json
from tests.report.made import store_frames
from tests.stages import own_code

CLASSES = ("a", "b", "c")
COUNTS = "clip,decoded_count,header_count,corrupt,concealed\nclip 0,60,61,0,0\nclip 1,9,9,0,0\nclip 2,9,9,1,2\n"
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
    for name in ("attention.h5", "attention_stage1.h5"):
        save_attention(folder / name, ids, [ClipAttention(np.full((2, 2, 2), 0.25), ("coot", "crane"), 0.0, 0.0)] * 30)
    scores = stage_metrics(made, 2) | {"order": {"reversed": 0.5, "shuffled": right / 60}}
    lost = {"train": excluded, "validation": 0, "test": 0}
    looks = {stage: {"entropy": 0.9} for stage in ("stage1", "stage2")}
    document = {"stage1": scores, "stage2": scores, "excluded": lost, "attention": looks, "average": {"top1": 0.3}}
    write_json(document, folder / "metrics.json")
    for stage in ("stage1", "stage2"):
        (root / stage / split).mkdir(parents=True)
        (root / stage / split / "curve.csv").write_text(CURVE)


def write_params(clips: list[str], mistakes: object = 5) -> None:
    Path("params.yaml").write_text(f"crop: 64\nsummary:\n  clips: {json.dumps(clips)}\n  mistakes: {mistakes}\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    write_params([])
    (tmp_path / "frames").mkdir()
    for number in range(30):
        store_frames(tmp_path / "frames" / f"clip {number}.h5", np.zeros((2, 64, 80, 3), np.uint8))
    (tmp_path / "frames" / "counts.csv").write_text(COUNTS)
    for split, right in (("split1", 27), ("split2", 24), ("split3", 30)):
        fabricate(tmp_path, split, right)
    return tmp_path


def chosen(*splits: str) -> list[str]:
    """Splits as dvc.yaml hands them to a command."""
    return [word for split in splits for word in ("--split", split)]


def run(*splits: str) -> str:
    outcome = CliRunner().invoke(
        main,
        [own_code("summary"), "evaluate", "stage1", "stage2", "frames", "summary", "metrics.json", *chosen(*splits)],
    )
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_it_writes_the_numbers_the_tables_and_the_curves(project: Path) -> None:
    output = run("split1", "split2", "split3")
    text = (project / "metrics.json").read_text()
    assert list(json.loads(text).items()) == [("mean", 0.9), ("split1", 0.9), ("split2", 0.8), ("split3", 1.0)]
    names = sorted(path.name for path in (project / "summary").iterdir())
    tables, plots = ["attention.csv", "classes.csv", "comparison.csv"], ["classes.png", "confusion.png", "curves.png"]
    assert names == sorted(["attention", *tables, *plots, "index.html", "warnings.txt"])
    pictures = sorted(path.name for path in (project / "summary/attention").iterdir())
    assert pictures == ["clip 0.png", "clip 1.png", "clip 2.png"]  # the first of each class
    assert (project / "summary/attention.csv").read_text() == "measure,class,before,after\nentropy,,0.9,0.9\n"
    rows = (project / "summary/comparison.csv").read_text().splitlines()
    assert rows[:2] == ["model,frames,split1,split2,split3,mean", "average,filmed,0.3,0.3,0.3,0.3"]
    assert rows[-2:] == ["stage2,reversed,0.5,0.5,0.5,0.5", "stage2,shuffled,0.45,0.4,0.5,0.45"]
    assert "mean top-1: average pooling + linear: 0.300; stage 1: 0.900 (" in output
    assert "stage 2: 0.900 (frames reversed 0.500, shuffled 0.450)" in output
    assert (project / "summary/warnings.txt").read_text() == "" and "warning" not in output
    assert output.splitlines()[-1] == "summary: mean top-1 0.900 of 0.900, 0.800, 1.000; mean class accuracy 0.900"


def test_the_page_shows_the_mistakes_and_the_clips_that_decode_badly(project: Path) -> None:
    run("split1", "split2", "split3")
    page = (project / "summary/index.html").read_text()
    assert "9 of 90 held-out clips are taken for another class" in page and page.count('alt="Frames of clip') == 3 + 5
    rows = re.findall(r"<td><bdi>(clip \d+)</bdi></td><td>(\d*)</td><td>(\d*)</td><td>(\d+)</td>", page)
    assert rows == [("clip 2", "9", "9", "3"), ("clip 0", "60", "61", "0")]
    write_params([], mistakes=0)
    run("split1", "split2", "split3")
    page = (project / "summary/index.html").read_text()
    assert "9 of 90 held-out clips" in page and page.count('alt="Frames of clip') == 3 and "is 0, so none" in page


@pytest.mark.parametrize("wrong", ["-1", "all", "2.5"])
def test_a_wrong_number_of_mistakes_is_named(project: Path, wrong: str) -> None:
    write_params([], mistakes=wrong)
    outcome = CliRunner().invoke(
        main, [own_code("summary"), "evaluate", "stage1", "stage2", "frames", "new", "metrics.json", *chosen("split1")]
    )
    assert outcome.exit_code == 1 and "summary.mistakes" in outcome.output and not (project / "new").exists()


def test_without_a_stage_2_the_numbers_are_said_to_be_of_stage_1(project: Path) -> None:
    for split in ("split1", "split2"):
        (project / "stage2" / split / "curve.csv").write_text("epoch,loss,accuracy,lr\n")
    run("split1", "split2")
    assert "after stage 1 (stage 2 did not run)" in (project / "summary/index.html").read_text()


def test_the_same_input_gives_the_same_bytes(project: Path) -> None:
    digests = []
    for _ in range(2):
        run("split1", "split2")
        files = [project / "metrics.json", *sorted(path for path in (project / "summary").rglob("*") if path.is_file())]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]


def test_doubts_are_printed_and_kept(project: Path) -> None:
    fabricate(project, "split4", 9, excluded=5)
    output = run("split1", "split4")
    kept = (project / "summary/warnings.txt").read_text().splitlines()
    assert len(kept) == 2 and all(line.startswith("split4: ") for line in kept)
    assert all(f"warning: {line}" in output for line in kept)
    assert json.loads((project / "metrics.json").read_text())["excluded"] == 5


def test_clips_that_were_asked_for_are_drawn_and_unknown_ones_stop_it_before_it_writes(project: Path) -> None:
    write_params(["clip 2"])
    run("split1")
    assert [path.name for path in (project / "summary/attention").iterdir()] == ["clip 2.png"]
    write_params(["clip 2", "clip 99"])
    outcome = CliRunner().invoke(
        main, [own_code("summary"), "evaluate", "stage1", "stage2", "frames", "new", "metrics.json", *chosen("split1")]
    )
    assert outcome.exit_code == 1 and "clip 99: no clip has this id" in outcome.output
    assert not (project / "new").exists()

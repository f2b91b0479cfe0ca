"""What stages evaluate and summary wrote of two tiny splits, taken at its word; and then with a lie in it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from tavlad.checking.results import sample_clips
from tavlad.cli import main
from tavlad.commands import verify as command
from tavlad.data.table import Split
from tavlad.learning.scores import Predictions
from tavlad.report.evaluation import write_json
from tests.commands.finished_project import SPLITS, finish, write_clip, write_headline, write_index, write_model


@pytest.fixture(scope="module")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished_project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("TAVLAD_STORE", str(tmp_path_factory.mktemp("store")))
        finish()
    return root


@pytest.fixture
def project(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil: only the models are links."""
    link_models = {"copy_function": lambda a, b: (os.link if "model" in Path(a).name else shutil.copyfile)(a, b)}
    shutil.copytree(finished_project, tmp_path, dirs_exist_ok=True, **link_models)
    for file in tmp_path.rglob("*.json"):
        file.chmod(0o644)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verify(*options: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "results", *options])


def set_number(file: str, *names: str, value: float | None) -> None:
    """Change a number of a JSON file; None takes it away."""
    document = json.loads(Path("data", file).read_text())
    inner = document
    for name in names[:-1]:
        inner = inner[name]
    if value is None:
        del inner[names[-1]]
    else:
        inner[names[-1]] = value
    write_json(document, Path("data", file))


def resave(split: str, end: str, change: Callable[[Predictions], Predictions]) -> None:
    file = Path("data/evaluate", split, f"predictions{end}.h5")
    change(Predictions.load(file)).save(file)


def nudged(made: Predictions, size: float) -> Predictions:
    """The first logit of the first clip moved by `size` of its largest."""
    logits = made.logits.copy()
    logits[0, 0] += size * np.abs(logits[0]).max()
    return Predictions(made.ids, made.labels, logits, made.classes)


def turn_attention(split: str) -> None:
    with h5py.File(f"data/evaluate/{split}/attention.h5", "r+") as file:
        file["attention"][...] = file["attention"][...][:, :, ::-1]


def test_what_the_stages_wrote_is_verified(project: Path) -> None:
    outcome = verify()
    assert outcome.exit_code == 0, outcome.output
    line = "split1, split2: all metrics follow from the predictions; the models reproduce the same bits for 5"
    assert outcome.output.splitlines()[-1] == f"doctor results: {line} held-out clips"
    assert "for 4 held-out" in verify("--sample", "2").output


TEST1, TEST2 = SPLITS["split1"].test, SPLITS["split2"].test
LIES: dict[str, tuple[Callable[[], object], list[str]]] = {
    "a score": (
        lambda: set_number("evaluate/split1/metrics.json", "stage1", "top1", value=0.12345),
        ["split1/metrics.json: stage1.top1 is 0.12345, but recomputed", "but counting the correct clips gives"],
    ),
    "a score of frames in another order": (
        lambda: set_number("evaluate/split1/metrics.json", "stage2", "order", "shuffled", value=0.12345),
        ["split1/metrics.json: stage2.order.shuffled is 0.12345, but recomputed"],
    ),
    "a score of average pooling": (
        lambda: set_number("evaluate/split2/metrics.json", "average", "top1", value=0.12345),
        ["split2/metrics.json: average.top1 is 0.12345, but recomputed"],
    ),
    "a clip less in average pooling": (
        lambda: resave("split1", "_average", lambda m: Predictions(m.ids[1:], m.labels[1:], m.logits[1:], m.classes)),
        [f"split1/predictions_average.h5: 1 held-out clip missing, such as {TEST1[0]}"],
    ),
    "a look": (
        lambda: set_number("evaluate/split2/metrics.json", "attention", "stage2", "entropy", value=0.5),
        ["split2/metrics.json: attention.stage2.entropy is 0.5, but recomputed"],
    ),
    "a number taken away": (
        lambda: set_number("evaluate/split1/metrics.json", "attention", "stage1", "focus_per_class", "run", value=None),
        ["attention.stage1.focus_per_class.run is missing, but recomputed it is"],
    ),
    "a number added": (
        lambda: set_number("metrics.json", "split3", value=1.0),
        ["data/metrics.json: split3 is 1.0, but recomputed it is not there"],
    ),
    "the mean": (
        lambda: set_number("metrics.json", "mean", value=0.99),
        ["data/metrics.json: mean is 0.99, but recomputed", "data/metrics.json: mean is 0.99, but"],
    ),
    "a logit": (
        lambda: resave("split1", "", lambda made: nudged(made, 0.01)),
        [f"split1/predictions.h5: logits of {TEST1[0]} computed again differ by up to 1.0e-02"],
    ),
    "a logit of a stage 2 without epochs": (
        lambda: resave("split2", "", lambda made: nudged(made, 0.01)),
        [f"split2/predictions.h5: logits of {TEST2[0]} computed again differ"],
    ),
    "a logit of reversed frames": (
        lambda: resave("split1", "_reversed_stage1", lambda made: nudged(made, 0.01)),
        [f"split1/predictions_reversed_stage1.h5: logits of {TEST1[0]} computed again differ"],
    ),
    "an attention map": (
        lambda: turn_attention("split1"),
        [f"split1/attention.h5: attention of {clip} computed again differ" for clip in TEST1],
    ),
    "a label": (
        lambda: resave("split2", "", lambda m: Predictions(m.ids, 1 - m.labels, m.logits, m.classes)),
        ["predictions.h5: 2 clips with a label that differs from clips.csv, such as jump/a"],
    ),
    "the classes": (
        lambda: resave("split2", "_stage1", lambda m: Predictions(m.ids, m.labels, m.logits, m.classes[::-1])),
        ["predictions_stage1.h5: 2 class names different from classes.txt", "was trained on classes other than"],
    ),
    "a clip left out": (
        lambda: resave("split1", "", lambda m: Predictions(m.ids[1:], m.labels[1:], m.logits[1:], m.classes)),
        [f"predictions.h5: 1 held-out clip missing, such as {TEST1[0]}", "attention.h5: its clips differ"],
    ),
    "a training clip scored": (
        lambda: write_index(split2=Split(("jump/b", "run/b", "run/a"), (), ("jump/a",))),
        ["split2/predictions.h5: 1 clip not held out, such as run/a"],
    ),
    "a clip in two parts": (
        lambda: write_index(split2=Split(("jump/b", "run/b", "jump/a"), (), TEST2)),
        ["index/split2.csv: jump/a is held out, but is also in training", "clips.train is 2, but recomputed it is 3"],
    ),
    "another model": (
        lambda: write_model(Path("data/stage1/split1"), seed=77, epochs=1, backbone=False),
        [f"split1/predictions_stage1.h5: logits of {clip} computed again differ" for clip in TEST1],
    ),
    "other frames": (
        lambda: write_clip("run/c", seed=88),
        ["split1/predictions.h5: logits of run/c computed", "split1/predictions_stage1.h5: logits of run/c computed"],
    ),
    "no model": (
        lambda: Path("data/stage2/split1/model.safetensors").unlink(),
        ["split1: cannot be verified: FileNotFoundError", "data/stage2/split1/model.safetensors"],
    ),
    "no JSON": (
        lambda: Path("data/evaluate/split1/metrics.json").write_text("{"),
        ["split1: cannot be verified: JSONDecodeError", "all splits: cannot be verified"],
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_is_named(project: Path, lie: str) -> None:
    tell, named = LIES[lie]
    tell()
    outcome = verify()
    assert outcome.exit_code == 1, outcome.output
    for words in named:
        assert words in outcome.output


def test_a_group_on_both_sides_is_named(project: Path) -> None:
    rows = Path("data/index/clips.csv").read_text()
    Path("data/index/clips.csv").write_text(rows.replace("run/c.avi,run,run/c", "run/c.avi,run,run/a"))
    outcome = verify()
    assert outcome.exit_code == 1
    assert "split1.csv: run/c is held out, but other clips of its group, run/a, are not" in outcome.output
    assert "split2.csv: run/a is held out, but other clips of its group, run/a, are not" in outcome.output


def test_the_failure_of_a_gpu_is_no_fault_of_the_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def distances(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(command, "distances", distances)
    outcome = verify()
    assert outcome.exit_code == 1 and "Error: the GPU ran out of memory" in outcome.stderr
    assert "cannot be verified" not in outcome.stderr


def test_a_fault_in_the_code_of_scores_is_noticed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictions, "top", lambda made, k: 0.777)
    for split in SPLITS:
        for stage in ("stage1", "stage2"):
            for names in (["top1"], ["top2"], ["order", "reversed"], ["order", "shuffled"]):
                set_number(f"evaluate/{split}/metrics.json", stage, *names, value=0.777)
        set_number(f"evaluate/{split}/metrics.json", "average", "top1", value=0.777)
    write_headline()
    outcome = verify()
    assert outcome.exit_code == 1 and "recomputed" not in outcome.output
    assert outcome.output.count("is 0.777, but") == 4 + 3  # two stages of two splits; two splits and their mean


def test_the_last_digits_of_another_machine_are_a_warning(project: Path) -> None:
    resave("split1", "", lambda made: nudged(made, 1e-5))
    outcome = verify()
    assert outcome.exit_code == 0, outcome.output
    assert "warning: logits or attention computed again differ by up to 1.0e-05" in outcome.output
    assert "almost the same for 5 held-out clips (within 1.0e-05)" in outcome.output
    assert verify("--sample", "0").output.splitlines()[-1].endswith("the same bits for 0 held-out clips")


def test_the_same_clips_are_taken_every_time() -> None:
    ids = [f"clip {number}" for number in range(50)]
    assert (
        sample_clips(ids, 5) == sample_clips(ids, 5)
        and len(set(sample_clips(ids, 5))) == 5
        and set(sample_clips(ids, 5)) < set(ids)
    )
    assert sample_clips(ids, 99) == sorted(ids)


def test_without_results_or_outside_a_project_it_says_where_to_start(project: Path) -> None:
    shutil.rmtree("data/evaluate")
    outcome = verify()
    assert outcome.exit_code == 1 and "run `dvc repro` first" in outcome.output
    Path("params.yaml").write_text("device: cpu\n")
    assert "no number evaluate.top" in verify().output
    Path("params.yaml").unlink()
    assert "run from the folder that holds dvc.yaml" in verify().output

"""Names that look like markup, or as formats, are shown as they are by every command, on a terminal and in a pipe."""

import subprocess
from pathlib import Path

import pytest

from pipeline.summary import main as summary
from tavlad.cli import main
from tavlad.commands import experiment
from tavlad.experiments.outcomes import Outcome
from tavlad.experiments.plan import Plan, Run
from tavlad.store.store import Store
from tests.commands import finished_project
from tests.commands.made import make_clip, make_model
from tests.experiments.made import outcome
from tests.names import CLASS, FILE, FOLDER, call
from tests.stages import own_code

NAME = f"{FOLDER}/{FILE}"
PLAN = Plan.model_validate(
    {
        "base": {},
        "variants": {NAME: {"set": {}}},
        "experiments": {FILE: {"title": f"Figure 3. {CLASS}", "variants": [NAME], "seeds": [1]}},
    }
)
pytestmark = pytest.mark.parametrize("terminal", [False, True])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a store in it; one has such a name, and so has the other."""
    folder = tmp_path / FOLDER / FILE
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TAVLAD_STORE", str(folder / NAME))
    return folder


def test_predict(terminal: bool) -> None:
    model = str(make_model(Path(FILE), classes=(CLASS, "other")))
    clip = str(make_clip(Path(FOLDER, f"{FILE}.mp4")))
    code, text = call(main, "predict", clip, f"{clip}.gone", "--model", model, "--device", "cpu", terminal=terminal)
    assert code == 1 and CLASS in text
    assert f"{clip}: " in text and f"{clip}.gone: failed: the file is missing" in text
    assert f"│ {clip}.gone │ the file is missing" in text if terminal else f"  {clip}.gone: the file is missing" in text


def test_attend(terminal: bool) -> None:
    model = str(make_model(Path(FILE), classes=(CLASS, "other")))
    clip, film = str(make_clip(Path(FOLDER, f"{FILE}.mp4"))), f"{NAME}.film.mp4"
    options = ("--model", model, "--device", "cpu", "-o", film)
    assert f"attend: {film}\n" in call(main, "attend", clip, *options, terminal=terminal)[1] and Path(film).exists()
    code, text = call(main, "attend", f"{clip}.gone", *options, terminal=terminal)
    assert code == 1 and f"{clip}.gone" in text


def test_store(terminal: bool, folder: Path) -> None:
    store = Store.open()
    with store.create("decode", NAME.replace("/", "")) as aside:
        aside.write_text("whole")
    entry = store.get("decode", NAME.replace("/", ""))
    code, text = call(main, "store", "size", terminal=terminal)
    assert code == 0 and text.startswith(f"{folder / NAME}\n┏")
    entry.chmod(0o644)
    entry.write_text("other")
    code, text = call(main, "doctor", "store", terminal=terminal, columns=400)  # else the path alone fills a line
    assert code == 1 and f"{folder / NAME}: 0 entries undamaged, 1 damaged" in text
    assert f"{entry} has changed since it was written" in text and f"decode/{entry.name}" in text


def test_verify(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    label, clips = f"{FOLDER}{FILE}", {one: f"{FOLDER}{FILE}/[{one}" for one in "abc"}
    monkeypatch.setattr(finished_project, "CLASSES", ("jump", label))
    splits = {FILE: finished_project.Split(("jump/a", clips["a"]), (), ("jump/b", clips["b"], clips["c"]))}
    monkeypatch.setattr(finished_project, "SPLITS", splits)
    monkeypatch.setattr(finished_project, "CLIPS", sorted(splits[FILE].train + splits[FILE].test))
    finished_project.finish()
    assert f"doctor results: {FILE}: all metrics follow" in call(main, "doctor", "results", terminal=terminal)[1]
    finished_project.write_clip(clips["b"], seed=88)
    code, text = call(main, "doctor", "results", terminal=terminal)
    assert code == 1 and f"data/evaluate/{FILE}/predictions.h5" in text
    assert f"logits of {clips['b']} computed again differ" in text


def test_summary(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished_project, "SPLITS", {FILE: finished_project.SPLITS["split1"]})
    finished_project.finish()
    folders = [f"data/{name}" for name in ("evaluate", "stage1", "stage2", "frames")]
    Path("params.yaml").write_text("crop: 64\nsummary:\n  clips: []\n  mistakes: 50\n")
    Path("data/frames/counts.csv").write_text("clip,decoded_count,header_count,corrupt,concealed\n")
    code, text = call(
        summary, own_code("summary"), *folders, "data/summary", "data/metrics.json", "--split", FILE, terminal=terminal
    )
    assert code == 0 and f"│ {FILE} │ " in text
    assert f"warning: {FILE}: " in text


def test_experiment(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, 1, "", f"ERROR: no {CLASS}")

    monkeypatch.setattr(experiment, "read_plan", lambda: PLAN)
    code, text = call(main, "experiment", "--help", terminal=terminal, columns=80)
    assert code == 0 and f"{FILE} Figure 3. {CLASS}" in " ".join(text.split())
    monkeypatch.setattr(experiment.queue, "states", dict)
    monkeypatch.setattr(experiment.queue, "fail_dead", lambda: [NAME])
    monkeypatch.setattr(experiment.queue, "_dvc", refused)
    code, text = call(main, "experiment", FILE, terminal=terminal)
    assert code == 1 and f"interrupted, to be run again: {NAME}\n" in text
    assert f"{NAME}-seed1" in text and f"ERROR: no {CLASS}" in text


def test_report(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_outcome(run: Run, *_: object) -> Outcome:
        return outcome(run.variant, run.seed, [[True] * 16])

    monkeypatch.setattr(experiment, "read_plan", lambda: PLAN)
    monkeypatch.setattr(experiment.queue, "revisions", lambda: {f"{NAME}-seed1": "1a"})
    monkeypatch.setattr(experiment, "read_outcome", read_outcome)
    Path("params.yaml").write_text(f"dataset:\n  root: '{FOLDER}'\n")
    code, text = call(main, "experiment", "report", "-o", f"out {FILE}", terminal=terminal)
    assert code == 0 and f"out {FILE}/index.html: {FILE}, from 1 run\n" in text

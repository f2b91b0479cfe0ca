"""`tavlad predict` on tiny videos: each clip has its answer or its reason, whatever becomes of the others."""

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from tavlad.cli import main
from tavlad.commands import predict
from tavlad.learning import scoring
from tavlad.model.backbone import Backbone
from tavlad.model.tavlad import TAVLAD
from tests.commands.made import CLASSES, make_clip, make_model

ABOVE = "The other clips' classes are printed above."
NAME = "Name videos that play."
REPORT = "An error whose traceback is above was not foreseen: please report it."


def run(model: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments), "--model", str(model), "--device", "cpu"])


def fail_on(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> list[str]:
    """Reading the clip `name` raises `error`; the names of all that are read."""
    read, names = predict.read_clip, []

    def read_clip(path: Path, *sizes: int) -> object:
        names.append(path.name)
        if path.name == name:
            raise error
        return read(path, *sizes)

    monkeypatch.setattr(predict, "read_clip", read_clip)
    return names


def test_the_most_probable_classes_come_first(clip: Path, model: Path) -> None:
    outcome = run(model, clip, "--json")
    assert outcome.exit_code == 0, outcome.output
    (ranking,) = json.loads(outcome.stdout).values()
    probabilities = [row["probability"] for row in ranking]
    assert {row["class"] for row in ranking} == set(CLASSES)
    assert probabilities == sorted(probabilities, reverse=True) and sum(probabilities) == pytest.approx(1)
    lines = run(model, clip, "--top", "2").stdout.splitlines()[3:-1]
    assert [line.split("│")[2].strip() for line in lines] == [row["class"] for row in ranking[:2]]


@pytest.mark.parametrize("top", ["0", "-1"])
def test_fewer_classes_than_one_are_refused(clip: Path, model: Path, top: str) -> None:
    outcome = run(model, clip, "--top", top)
    assert outcome.exit_code == 2 and "--top" in outcome.output and "x>=1" in outcome.output


def test_all_classes_are_printed_where_fewer_exist_than_are_asked_for(clip: Path, model: Path, tmp_path: Path) -> None:
    assert len(CLASSES) == 3
    lines = run(model, clip, make_clip(tmp_path / "other.mp4"), "--top", "9").stdout.splitlines()
    assert "".join(line[0] for line in lines) == "┏┃┡│││├│││└"


def test_clips_that_differ_at_the_end_of_long_paths_are_told_apart_in_a_pipe(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [tmp_path / ("x" * 150) / f"{'y' * 150}{number}.mp4" for number in (1, 2)]
    clips[0].parent.mkdir()
    for path in clips:
        os.link(clip, path)
    for columns in ("20", "80", "1000"):
        monkeypatch.setenv("COLUMNS", columns)
        outcome = run(model, *clips, *(f"{path}.gone" for path in clips))
        assert [sum(str(path) in line for line in outcome.stdout.splitlines()) for path in clips] == [1, 1]
        assert all(f"  {path}.gone: the file is missing" in outcome.stderr.splitlines() for path in clips)


def test_a_bad_video_costs_itself_alone(clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no film")
    outcome = run(model, tmp_path / "text.avi", tmp_path / "gone.avi", clip)
    assert outcome.exit_code == 1 and str(clip) in outcome.stdout
    assert f"  {tmp_path}/gone.avi: the file is missing" in outcome.stderr.splitlines()
    assert "text.avi: cannot be opened as a video" in outcome.stderr and "Traceback" not in outcome.stderr
    assert outcome.stderr.splitlines()[-1] == ABOVE


@pytest.mark.parametrize("error", [kind("odd\n numbers") for kind in (ValueError, RuntimeError, MemoryError)])
def test_an_error_that_nobody_foresaw_costs_its_clip_alone(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    make_clip(tmp_path / "odd.mp4")
    fail_on(monkeypatch, "odd.mp4", error)
    outcome = run(model, tmp_path / "odd.mp4", clip)
    assert outcome.exit_code == 1 and str(clip) in outcome.stdout and "odd.mp4" not in outcome.stdout
    assert f"  {tmp_path}/odd.mp4: {type(error).__name__}: odd numbers" in outcome.stderr.splitlines()
    assert "Traceback" in outcome.stderr and outcome.stderr.splitlines()[-1] == f"{ABOVE} {REPORT}"
    outcome = run(model, tmp_path / "odd.mp4", clip, "--json")
    assert outcome.exit_code == 1 and list(json.loads(outcome.stdout)) == [str(clip)]


def test_the_advice_fits_what_was_printed(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_on(monkeypatch, "clip.mp4", ValueError("odd"))
    for clips, advice in (
        ([tmp_path / "gone.avi"], NAME),
        ([clip], REPORT),
        ([tmp_path / "gone.avi", clip], f"{NAME} {REPORT}"),
    ):
        outcome = run(model, *clips)
        assert (outcome.exit_code, outcome.stdout) == (1, "")
        assert outcome.stderr.splitlines()[-1] == advice


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "Error: the GPU failed"),
        (RuntimeError("CUDA error: an illegal memory access"), "Error: the GPU failed"),
        (KeyboardInterrupt(), "Aborted!"),
    ],
)
def test_what_is_no_clips_fault_ends_the_run_at_once(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, said: str
) -> None:
    first, last = make_clip(tmp_path / "first.mp4"), make_clip(tmp_path / "last.mp4")
    names = fail_on(monkeypatch, "clip.mp4", error)
    outcome = run(model, first, clip, last)
    assert (outcome.exit_code, outcome.stdout, names) == (1, "", ["first.mp4", "clip.mp4"])
    assert said in outcome.stderr and "clip.mp4" not in outcome.stderr


def test_the_model_is_loaded_once_and_an_error_of_it_is_no_clips(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, built = [], []
    load, build = scoring.load_checkpoint, Backbone.__init__
    monkeypatch.setattr(scoring, "load_checkpoint", lambda folder: (loaded.append(folder), load(folder))[1])
    monkeypatch.setattr(
        Backbone, "__init__", lambda self, *given, **named: (built.append(given), build(self, *given, **named))[1]
    )
    other, third = (make_clip(tmp_path / f"{name}.mp4") for name in ("other", "third"))
    assert run(model, clip, other, third).exit_code == 0 and loaded == [model] and len(built) == 1
    first = make_model(tmp_path / "first", backbone=False)
    outcome = run(first, clip, other)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(f"Error: {first} is a stage 1 model") and len(outcome.stderr.splitlines()) == 1


def test_a_gpu_without_room_for_the_model_is_named(clip: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def move(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(TAVLAD, "to", move)
    outcome = run(model, clip)
    assert outcome.exit_code == 1 and outcome.stderr.startswith("Error: the GPU failed")

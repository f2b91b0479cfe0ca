"""`tavlad.predict` from Python: what the command says, typed; loading the package loads nothing else."""

import json
import os
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import tavlad
from tavlad.cli import main
from tavlad.errors import InputError
from tavlad.learning import prediction
from tavlad.prediction import Prediction
from tests.commands.made import CLASSES, make_clip, make_model


def test_it_says_what_the_command_says(tmp_path: Path) -> None:
    clip, model = make_clip(tmp_path / "clip.mp4"), make_model(tmp_path / "model")
    said = tavlad.predict(clip, model, device="cpu")
    assert typing.get_type_hints(tavlad.predict)["return"] is Prediction is type(said)
    assert said.path == str(clip) and set(said.classes) == set(CLASSES) and not said.error
    assert said == tavlad.predict(str(clip), str(model / "model.safetensors"), "cpu")
    printed = CliRunner().invoke(main, ["predict", str(clip), "--model", str(model), "--device", "cpu", "-o", "-"])
    rows = json.loads(printed.stdout)["classes"]
    ranked = zip(said.classes, said.probabilities, said.logits, strict=True)
    assert [tuple(row.values()) for row in rows] == list(ranked)


def test_a_model_is_loaded_again_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load = [], prediction.load_scorer
    monkeypatch.setattr(prediction, "load_scorer", lambda *given: (loaded.append(given), load(*given))[1])
    clip, model = make_clip(tmp_path / "clip.mp4"), make_model(tmp_path / "model")
    tavlad.predict(clip, model, device="cpu")
    tavlad.predict(clip, model, device="cpu")
    assert len(loaded) == 1
    os.utime(model / "model.safetensors", (1, 1))
    tavlad.predict(clip, model, device="cpu")
    assert len(loaded) == 2


def test_what_cannot_be_said_is_an_error_that_names_the_clip(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    with pytest.raises(InputError, match=r"gone\.mp4: the file is missing"):
        tavlad.predict(tmp_path / "gone.mp4", model, device="cpu")
    with pytest.raises(InputError, match="contains no readable model"):
        tavlad.predict(tmp_path / "gone.mp4", tmp_path / "nowhere")


def test_paths_are_read_as_decoders_become_free(tmp_path: Path) -> None:
    clip, read = str(make_clip(tmp_path / "clip.mp4")), []

    def paths() -> Iterator[str]:
        for number in range(10**5):
            read.append(number)
            yield clip

    scorer = prediction.load_scorer(make_model(tmp_path / "model"), torch.device("cpu"))
    said = prediction.predict_all(paths(), scorer, jobs=1)  # of two, the second may finish several before the first
    for count in range(1, 5):
        next(said)
        assert len(read) <= count + 2
    said.close()


def test_the_package_loads_nothing_but_what_it_returns() -> None:
    code = "import sys, tavlad; print(*sorted(name for name in sys.modules if name.startswith(('tavlad', 'torch'))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout.split() == ["tavlad", "tavlad.prediction"]

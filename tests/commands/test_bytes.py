"""Names of which not all bytes are UTF-8: an escape stands for such a byte, in what a pipe is given too."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tavlad.cli import main
from tests.commands.made import make_clip

NAME, SHOWN = "caf\udce9", "caf\\udce9"  # Latin-1


def shown(*arguments: object) -> str:
    """What a command that ends as it should prints."""
    outcome = CliRunner().invoke(main, list(map(str, arguments)))
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_predict_and_attend(tmp_path: Path, model: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4").rename(tmp_path / f"{NAME}.mp4")
    options = ("--model", model, "--device", "cpu")
    assert shown("predict", clip, *options).startswith(f"{tmp_path}/{SHOWN}.mp4: ")
    film = tmp_path / f"{NAME} film.mp4"
    assert shown("attend", clip, *options, "-o", film) == f"attend: {tmp_path}/{SHOWN} film.mp4\n" and film.exists()


def test_timeline(tmp_path: Path, model: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4").rename(tmp_path / f"{NAME}.mp4")
    options = ("--model", model, "--device", "cpu", "--window", 0.4, "-o", tmp_path / f"{NAME}.csv")
    assert f" in {tmp_path}/{SHOWN}.csv, {tmp_path}/{SHOWN}.png\n" in shown("timeline", clip, *options)


def test_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / NAME))
    assert shown("store", "size").startswith(f"{tmp_path}/{SHOWN}\n")
    assert shown("doctor", "store").startswith(f"{tmp_path}/{SHOWN}: 0 entries undamaged")

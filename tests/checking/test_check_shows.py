"""What `tavlad doctor data` shows when an error comes between, and of names that look like markup."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tavlad import device as devices
from tavlad.checking.estimate import Estimate
from tavlad.cli import main
from tavlad.commands import check as command
from tavlad.video.reader import BadVideo
from tests.checking.own import check, named, own_clips
from tests.names import FILE, FOLDER, call, shown_on


@pytest.mark.parametrize(
    ("error", "name", "said"),
    [
        (KeyError("odd"), "{root}", "KeyError: 'odd'"),
        (BadVideo("run/0.avi", "the file is missing"), "{root}", "BadVideo: run/0.avi: the file is missing"),
        (OSError(28, "No space left on device"), "{root}", "OSError: [Errno 28] No space left on device"),
        (RuntimeError("CUDA out of memory."), "params.yaml", "the GPU ran out of memory: CUDA out of memory. Lower "),
    ],
)
def test_an_error_while_measuring_the_cost_does_not_hide_other_findings(
    tmp_path, project, tiny, monkeypatch, error, name, said
):
    def measure(*_):
        raise error

    monkeypatch.setattr(command, "measure", measure)
    root = own_clips(tmp_path / "own", tiny)
    project(root, "folders")
    (root / "run/broken.avi").touch()
    result = check(str(root))
    assert result.exit_code == 1
    reasons, name = named(result), name.format(root=root)
    assert (set(reasons), reasons["run/broken.avi"]) == ({name, "run/broken.avi"}, "the file is empty")
    assert reasons[name].startswith(f"disk and time cannot be measured: {said}")


def test_deviations_are_red_and_the_sum_is_bold():
    counts = [("classes", 2, 2), ("clips", 3, 4), ("train", 5, None)]
    with shown_on(terminal=True, columns=100) as screen:
        command._print_counts(Path("own"), SimpleNamespace(title="HMDB51", rows=lambda: counts))
        command._print_times([Estimate("decode", 7200, "2 x 3600")], "time")
    raw = screen.getvalue()
    assert "\x1b[31mclips" in raw and "\x1b[31mclasses" not in raw and "\x1b[31mtrain" not in raw
    assert "\x1b[1mabout 2 h" in raw and "│ about 2 h │" in raw


@pytest.mark.parametrize("terminal", [False, True])
def test_names_that_look_like_markup_are_shown_verbatim(tmp_path, project, tiny, monkeypatch, terminal):
    root = own_clips(tmp_path / FOLDER, tiny, ("run", FILE))
    (root / FILE / f"{FILE}.avi").touch()
    project(root, "folders")
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store" / FOLDER / FILE))
    code, text = call(main, "doctor", "data", str(root), terminal=terminal)
    assert code == 1 and "free at " + os.environ["TAVLAD_STORE"] in text
    assert text.startswith(f"{root}: data set of layout folders\n┏")
    assert f"doctor data: {root} is not a complete" in text
    separator = " │ " if terminal else ": "
    assert f"{FILE}/{FILE}.avi{separator}the file is empty" in text


@pytest.mark.parametrize(
    ("written", "auto", "rates", "advised"),
    [
        ("auto", "bfloat16", {"bfloat16": 22.5, "float32": 34.3}, "float32 is 1.5 times as fast"),
        ("auto", "float32", {"bfloat16": 53.0, "float32": 22.0}, "bfloat16 is 2.4 times as fast"),
        ("auto", "bfloat16", {"bfloat16": 33.0, "float32": 34.3}, ""),  # within noise
        ("auto", "bfloat16", {"bfloat16": 53.0, "float32": 22.0}, ""),
        ("auto", "float32", {"float32": 22.0}, ""),
        ("bfloat16", "float32", {"bfloat16": 53.0, "float32": 22.0}, ""),
    ],
)
def test_a_precision_is_recommended_where_auto_is_slower(monkeypatch, capsys, written, auto, rates, advised):
    monkeypatch.setattr(devices, "_computes_bfloat16", lambda _device: auto == "bfloat16")
    command._advise(rates, SimpleNamespace(extract=SimpleNamespace(device="cpu", precision=written)))
    shown = capsys.readouterr()
    assert all(f"{rate:.3g} frames/s in {name}" in shown.out for name, rate in rates.items())
    assert f"precision: auto is {auto} here" in shown.out
    assert advised in shown.err and bool(advised) == ("in params.yaml" in shown.err)


def test_both_precisions_are_measured(tmp_path, project, tiny, monkeypatch):
    seen = []
    measured = command.clip_maps

    def clip_maps(network, frames, *rest):
        seen.append((next(network.parameters()).dtype, frames.shape))
        return measured(network, frames, *rest)

    monkeypatch.setattr(command, "clip_maps", clip_maps)
    root = own_clips(tmp_path / "own", tiny)
    project(root, "folders")
    result = check(str(root))
    assert result.exit_code == 0, result.output
    assert seen == [(torch.bfloat16, (2, 64, 64, 3)), (torch.float32, (2, 64, 64, 3))] * 4
    assert "frames/s in bfloat16" in result.stdout and "frames/s in float32" in result.stdout

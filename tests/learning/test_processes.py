"""Several processes train what one trains, in every variant; one that is killed ends all, and the next run goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tavlad.learning import dropout
from tavlad.learning import processes as sharing
from tests.learning.several import SCHEDULE, VARIANTS, every

ROOT = Path(__file__).parents[2]
LAUNCH = """
import sys
from tavlad import console
from tavlad.learning import launching
from tavlad.errors import TavladError
try:
    launching.launch(int(sys.argv[1]), "tests.learning.several", sys.argv[2:])
except TavladError as error:
    console.print_error(error, sys.stderr)
    sys.exit(1)
"""


def launch(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LAUNCH, str(processes), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def alone():
    return every()


def test_several_processes_train_what_one_does(alone, tmp_path):
    done = launch(2, "every", tmp_path)
    assert done.returncode == 0, done.stderr
    weights, curves = load_file(tmp_path / "weights.safetensors"), json.loads((tmp_path / "curves.json").read_text())
    assert weights.keys() == alone[0].keys() and len(curves) == 2 * len(VARIANTS)
    rounded = 0
    for name, tensor in alone[0].items():
        if tensor.dtype == torch.float64:
            assert torch.allclose(weights[name], tensor, rtol=0, atol=1e-9), name
            rounded += not torch.equal(weights[name], tensor)
    assert rounded, "all is bit-equal: it was not shared"
    for name, curve in alone[1].items():
        for row, other in zip(curve, curves[name], strict=True):
            assert other == pytest.approx(row, rel=1e-9) and {"loss", "accuracy", "validation"} < row.keys()


def test_the_shares_and_the_mask_matter(alone):
    """Else the comparison would show nothing: dropout changes the weights, and training moves them."""
    weights, _ = alone
    names = [json.dumps([VARIANTS[0], dropout]) + " classifier.weight" for dropout in (0.0, 0.5)]
    assert (weights[names[0]] - weights[names[1]]).abs().max() > 1e-3


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("clips", [0, 1, 4, 16])
def test_shares_are_all_clips_in_their_order_and_the_first_have_more(monkeypatch, processes, clips):
    monkeypatch.setattr(sharing, "count", lambda: processes)
    shares = []
    for number in range(processes):
        monkeypatch.setattr(sharing, "rank", lambda number=number: number)
        shares.append(list(range(clips))[sharing.share_of(clips)])
    assert [clip for share in shares for clip in share] == list(range(clips))
    sizes = [len(share) for share in shares]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1


@pytest.mark.parametrize("micro_batch", [2, 3, 7])
def test_the_mask_is_a_part_of_what_one_process_draws(monkeypatch, micro_batch):
    """Seven clips by three processes, drawn as one process draws them, a micro-batch at a time."""
    descriptors = torch.rand(7, 40, dtype=torch.float64)
    torch.manual_seed(3)
    parts = [torch.nn.functional.dropout(part, 0.5) for part in descriptors.split(micro_batch)]
    shares = [slice(0, 3), slice(3, 5), slice(5, 7)]
    monkeypatch.setattr(dropout, "count", lambda: 3)
    for share in shares:
        monkeypatch.setattr(dropout, "share_of", lambda clips, share=share: share)
        module = dropout.SharedDropout(0.5)
        torch.manual_seed(3)
        module.begin(7, micro_batch)
        assert torch.equal(torch.cat([module(part) for part in descriptors[share].split(1)]), torch.cat(parts)[share])


def running(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and str(folder) in (process.info["cmdline"] or [])
    ]


def test_a_killed_process_ends_all_and_the_next_run_goes_on(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert launch(2, "resumed", whole, whole / "store", 0).returncode == 0
    done = launch(2, "resumed", killed, killed / "store", 1)
    assert done.returncode == 1 and "process 1: was killed (signal 9)" in done.stderr
    assert "run it again" in done.stderr and "process 0" not in done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert not running(killed) and not list(killed.glob("*.safetensors"))
    again = launch(2, "resumed", killed, killed / "store", 0)
    assert again.returncode == 0 and "finished epoch 1" not in again.stdout
    assert again.stdout.count(f"finished epoch {SCHEDULE.epochs}") == 2
    for file in ("weights.safetensors", "curves.json"):
        assert (killed / file).read_bytes() == (whole / file).read_bytes()

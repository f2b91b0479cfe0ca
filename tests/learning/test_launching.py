"""Who starts how many processes, which of them looks into the store, and what the others do meanwhile."""

import pytest
import torch

from tavlad.errors import InputError
from tavlad.learning import launching
from tests.learning.test_processes import launch

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("given", "device", "meant"),
    [("auto", CPU, 1), (3, CPU, 3), (1, CPU, 1), ("auto", GPU, 2), (2, GPU, 2), (1, GPU, 1)],
)
def test_as_many_as_asked_for_and_auto_is_one_for_each_gpu(two_gpus, given, device, meant):
    assert launching.launch_for(given, device) == meant and launching.processes() == 1


def test_more_processes_than_gpus_are_refused(two_gpus):
    with pytest.raises(InputError, match=r"processes is 3, but torch sees 2 GPUs: set processes: auto"):
        launching.launch_for(3, GPU)


def test_what_was_started_by_hand_starts_none(monkeypatch, two_gpus):
    started = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert launching.launch_for(2, GPU) == 1 and launching.processes() == 4 and launching.processes_here() == 2
    assert launching.own_device(GPU) == GPU and launching.own_device(CPU) == CPU and chosen == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="torch sees 2 GPUs"):
        launching.own_device(GPU)


def test_process_0_looks_and_the_others_are_called_only_to_make_the_same(tmp_path):
    done = launch(2, "found", tmp_path)
    assert done.returncode == 1
    assert sorted(line for line in done.stdout.splitlines() if "makes a" in line) == [
        "process 0 makes a",
        "process 1 makes a",
    ]
    assert "process 1 makes b" not in done.stdout
    assert "would train something else than process 0: params.yaml differs, or a file" in done.stderr
    texts = [path.read_text() for path in tmp_path.glob("stage1/*/*")]
    assert texts == ["a [3.0]"]


def test_what_differs_is_named():
    here = {"code": "1", "versions": {"torch": "2.11", "numpy": "2.0"}}
    there = {"code": "2", "versions": {"torch": "2.10", "numpy": "2.0"}}
    assert launching._difference(here, there) == "torch 2.11 (there: 2.10)"
    assert launching._difference(here, {**here, "code": "2"}) == "the code differs"
    assert "params.yaml differs" in launching._difference(here, here)

"""`dvc repro` with `processes: 2`: one of them is killed, all end, and the next run goes on."""

import os
import signal
import time

import psutil
import pytest

from tavlad.learning.checkpoints import load_checkpoint, read_facts
from tests.test_dag import entries

pytestmark = pytest.mark.whole

STAGE = "stage2@split1"


@pytest.fixture(scope="module")
def ready(new_project):
    """A project of one split that has run up to stage 1, by one process."""
    project = new_project("several")
    project.keep_one_split()
    project.edit({"stage2": {"epochs": 4}})
    project.run("dvc", "repro", "stage1@split1")
    project.edit({"processes": 2})
    return project


def trainers(project) -> list[psutil.Process]:
    """The processes of stage 2: DVC's shell aside, the launcher and the two that train."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if "pipeline.stage2" in (process.info["cmdline"] or []) and process.info["cwd"] == str(project.folder)
    ]


def kill(project, victim: str) -> str:
    """Start stage 2, SIGKILL one of its processes when an epoch is done; what was printed when all had ended."""
    process = project.start("dvc", "repro", STAGE)
    deadline = time.monotonic() + 300
    before = {path: path.stat().st_mtime_ns for path in entries(project, "stage2-epoch")}
    while {path: path.stat().st_mtime_ns for path in entries(project, "stage2-epoch")} == before:
        assert process.poll() is None and time.monotonic() < deadline, (project.folder / "killed.log").read_text()
        time.sleep(0.01)
    ranks = {found.environ().get("RANK", "launcher"): found for found in trainers(project)}
    assert set(ranks) == {"launcher", "0", "1"}
    os.kill(ranks[victim].pid, signal.SIGKILL)
    assert process.wait(120) != 0
    gone, alive = psutil.wait_procs(ranks.values(), timeout=60)
    assert not alive and len(gone) == 3
    return (project.folder / "killed.log").read_text()


def test_whichever_is_killed_all_end_and_the_next_run_goes_on(ready):
    said = kill(ready, "1")
    assert "process 1: was killed (signal 9)" in said and "run it again" in said and "Traceback" not in said
    kill(ready, "launcher")
    ready.run("dvc", "repro", STAGE)
    model, _ = load_checkpoint(ready.folder / "data" / "stage2" / "split1")
    killed = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    two = read_facts(ready.folder / "data" / "stage2" / "split1").recipe
    for name in ("data/stage2/split1/model.safetensors", "data/.store/stage2"):
        ready.run("rm", "-rf", name)
    ready.run("dvc", "repro", "--force", "--single-item", STAGE)  # by two processes, undisturbed
    model, _ = load_checkpoint(ready.folder / "data" / "stage2" / "split1")
    assert all(tensor.equal(killed[name]) for name, tensor in model.state_dict().items())
    ready.edit({"processes": 1})
    assert "didn't change" in ready.run("dvc", "repro", STAGE).stdout  # it decides no value
    ready.run("dvc", "repro", "--force", "--single-item", STAGE)
    model, facts = load_checkpoint(ready.folder / "data" / "stage2" / "split1")
    assert facts.recipe != two
    for name, tensor in model.state_dict().items():
        assert tensor.allclose(killed[name], rtol=1e-3, atol=1e-4), name

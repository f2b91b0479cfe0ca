"""Which runs are queued again, and how waiting for them ends; DVC itself is in tests/test_dag.py."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from dvc.exceptions import NotDvcRepoError

from tavlad.errors import TavladError
from tavlad.experiments import queue
from tavlad.experiments.plan import Run

RUNS = [Run(name, "v", 1, False, {"clusters": 4, "stage2.lr": 1e-5}) for name in ("a", "b", "c", "d", "e")]


def test_what_failed_or_never_ran_is_missing() -> None:
    known = {"a": "Success", "b": "Queued", "c": "Running", "d": "Failed", "other": "Success"}
    assert [run.name for run in queue.missing(RUNS, known)] == ["d", "e"]


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stands in for DVC: what would be called."""
    called: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        called.append(command[3:])
        refused = "b" in command
        return subprocess.CompletedProcess(
            command, int(refused), "", "long story\nERROR: no such key" if refused else ""
        )

    def popen(command: list[str], env: dict[str, str], **_: object) -> None:
        called.append(["worker", *command[5:]])

    monkeypatch.setattr(queue.subprocess, "run", run)
    monkeypatch.setattr(queue.subprocess, "Popen", popen)
    monkeypatch.setattr(queue, "LOG", tmp_path / "log")
    monkeypatch.setattr(queue, "TICK", 0.0)
    return called


def test_a_run_is_queued_with_its_name_and_all_that_it_sets(workers: list[list[str]]) -> None:
    queue.enqueue(RUNS[:1])
    assert workers == [
        ["exp", "run", "--queue", "--name", "a", "-S", "clusters=4", "-S", "stage2.lr=1e-05"],
    ]


def test_all_that_dvc_refuses_is_named(workers: list[list[str]]) -> None:
    with pytest.raises(TavladError) as error:
        queue.enqueue(RUNS[:3])
    assert error.value.rows == [("b", "ERROR: no such key")] and len(workers) == 3


def test_waiting_ends_when_all_have_ended_and_names_what_failed(workers: list[list[str]]) -> None:
    looks: Iterator[dict[str, str]] = iter(
        [
            {"a": "Running", "b": "Queued"},
            {"a": "Success", "b": "Running"},
            {"a": "Success", "b": "Failed"},
        ]
    )
    with pytest.raises(TavladError) as error:
        queue.work(RUNS[:2], 3, lambda: next(looks))
    assert error.value.rows == [("b", "Failed")] and numbers(workers) == [1, 2, 3]
    assert [words[2:] for words in workers] == [["--clean"], [], []]  # as DVC starts its own
    assert next(looks, None) is None


def numbers(workers: list[list[str]]) -> list[int]:
    """Which workers were started."""
    return [int(words[1].removesuffix("@localhost").rpartition("-")[2]) for words in workers if words[0] == "worker"]


def test_a_worker_that_ended_is_started_again_beside_one_that_works(
    workers: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([{"a": "Queued"}, {"a": "Running"}, {"a": "Success"}])
    queue.work(RUNS[:1], 2, lambda: next(looks))
    assert numbers(workers) == [1, 2]  # none without a queued run: it would end at once
    process = SimpleNamespace(info={"cmdline": ["python", "-m", "dvc", "exp", "queue-worker", workers[1][1]]})
    monkeypatch.setattr(queue.psutil, "process_iter", lambda _: [process, SimpleNamespace(info={"cmdline": None})])
    waiting = {"a": "Running", "b": "Queued"}
    looks = iter([waiting, waiting, {"a": "Success", "b": "Running"}, {"a": "Success", "b": "Success"}])
    queue.work(RUNS[:2], 3, lambda: next(looks))
    assert numbers(workers[2:]) == [1, 3, 1, 3]


def test_the_end_of_a_run_is_seen_at_once(workers: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(info={"cmdline": ["python", "dvc", "exp", "exec-run", "--infofile", "/p/1a/1a.run"]})
    processes = iter([[run], [run], [], []])
    monkeypatch.setattr(queue.psutil, "process_iter", lambda _: next(processes))
    monkeypatch.setattr(queue, "PAUSE", 1e12)
    looks = iter([{"a": "Running"}, {"a": "Success"}])
    queue.work(RUNS[:1], 1, lambda: next(looks))
    assert next(processes, None) is None


def test_the_end_of_a_run_during_a_look_is_seen(workers: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    working = [SimpleNamespace(info={"cmdline": ["python", "dvc", "exp", "exec-run", "--infofile", "/p/1a/1a.run"]})]
    monkeypatch.setattr(queue.psutil, "process_iter", lambda _: list(working))
    monkeypatch.setattr(queue, "PAUSE", 1e12)

    def look() -> dict[str, str]:
        state = "Running" if working else "Success"
        working.clear()
        return {"a": state}

    queue.work(RUNS[:1], 1, look)
    assert workers == [] and not working


@pytest.mark.parametrize(
    ("jobs", "visible", "own"),
    [
        (2, "0,1", ["0", "1"]),
        (2, "4, GPU-8a,6,7", ["4,GPU-8a", "6,7"]),
        (3, "0,1", ["0", "0", "1"]),
        (1, "0,1", ["0,1"]),
        (2, "", [None, None]),
    ],
)
def test_each_worker_has_gpus_of_its_own(
    monkeypatch: pytest.MonkeyPatch, jobs: int, visible: str, own: list[str | None]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [environment.get("CUDA_VISIBLE_DEVICES") for environment in queue.shares(jobs)] == own


def test_where_no_gpu_is_named_all_that_torch_sees_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in queue.shares(2)] == ["0", "1"]


def test_each_worker_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(queue, "available_cpus", lambda: 9)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [queue.shares(jobs)[-1]["OMP_NUM_THREADS"] for jobs in (1, 2, 4, 20)] == ["9", "4", "2", "1"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert queue.shares(2)[0] == {"OMP_NUM_THREADS": "3"}


def test_a_look_while_dvc_makes_a_folder_is_taken_again(
    workers: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([NotDvcRepoError("not yet"), [{"Experiment": "a", "State": None, "rev": "1a"}]] * 3)

    def show() -> list[dict[str, str | None]]:
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(queue.dvc.api, "exp_show", show)
    assert queue.states() == {"a": "Success"} and queue.revisions() == {"a": "1a"} and queue.fail_dead() == []
    monkeypatch.setattr(queue, "ATTEMPTS", 2)
    looks = iter([NotDvcRepoError("never")] * 3)
    with pytest.raises(NotDvcRepoError):
        queue.states()


def test_a_run_that_failed_once_is_known_by_its_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a", None), ("a", "Failed"), ("b", "Queued"), ("b", "Failed"), ("c", "Failed"), (None, None)]
    monkeypatch.setattr(
        queue.dvc.api, "exp_show", lambda: [{"Experiment": name, "State": state} for name, state in rows]
    )
    assert queue.states() == {"a": "Success", "b": "Queued", "c": "Failed"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that adds a run of the given name and first digits, which DVC calls running; its folder.

    `host` is where it was seen, `here` whether a process of it is on this machine.
    """
    shown: list[dict[str, str | None]] = [{"rev": "workspace", "Experiment": None, "State": "Running"}]
    processes = [SimpleNamespace(info={"cmdline": words}) for words in (None, ["less", "b2345.run"])]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(queue, "HOST", "desk")
    monkeypatch.setattr(queue.dvc.api, "exp_show", lambda: shown)
    monkeypatch.setattr(queue.psutil, "process_iter", lambda _: processes)

    def add(name: str, rev: str, host: str = "", here: bool = False, returncode: int | None = None) -> Path:
        folder = queue.RUNS / f"{rev}345"
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.json").write_text(json.dumps({"pid": 1, "returncode": returncode}))
        if host:
            (folder / "host").write_text(host)
        shown.append({"rev": rev, "Experiment": name, "State": "Running"})
        if here:
            words = ["python", "dvc", "exp", "exec-run", "--infofile", f"/p/{folder}/{folder.name}.run"]
            processes.append(SimpleNamespace(info={"cmdline": words}))
        return folder

    return add


def returncode(folder: Path) -> int | None:
    return json.loads((folder / f"{folder.name}.json").read_text())["returncode"]


def test_only_what_ran_here_and_runs_no_more_is_called_failed(
    workers: list[list[str]], runs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    dead, live = runs("a", "a2", host="desk"), runs("c", "c2", host="desk", here=True)
    assert queue.fail_dead() == ["a"] and workers == [["queue", "kill", "a2"]]
    # another process may have its number by now, and must not be interrupted
    assert returncode(dead) == -1 and returncode(live) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("host", "told"), [("rack", "it was last seen on rack: look there"), ("", "its machine is unknown")]
)
def test_what_may_run_on_another_machine_is_named_and_left_alone(
    workers: list[list[str]], runs: Callable[..., Path], capsys: pytest.CaptureFixture[str], host: str, told: str
) -> None:
    folder = runs("a", "a2", host=host)
    assert queue.fail_dead() == [] and workers == [] and returncode(folder) is None
    said = capsys.readouterr().err
    assert f"a is marked as running, but not on this machine, desk; {told}." in said and "`dvc queue kill a`" in said


def test_a_run_that_dvc_does_not_give_up_is_not_called_failed(
    workers: list[list[str]], runs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs("b", "b", host="desk", returncode=0)  # it ended, and its worker collects what it made
    assert queue.fail_dead() == [] and workers == [["queue", "kill", "b"]] and returncode(folder) == 0


def test_waiting_notes_which_runs_are_at_work_on_this_machine(
    workers: list[list[str]], runs: Callable[..., Path]
) -> None:
    here, elsewhere = runs("a", "a2", here=True), runs("b", "b2")
    looks = iter([{"a": "Running"}, {"a": "Success"}])
    queue.work(RUNS[:1], 1, lambda: next(looks))
    assert (here / "host").read_text() == "desk" and not (elsewhere / "host").exists()


def test_a_run_of_another_project_is_not_noted(workers: list[list[str]], runs: Callable[..., Path]) -> None:
    shutil.rmtree(runs("a", "a2", here=True))
    assert queue.fail_dead() == [] and not list(queue.RUNS.iterdir())


def test_waiting_for_nothing_ends_at_once(workers: list[list[str]]) -> None:
    queue.work([], 1, dict)

"""Which runs are queued again, and how waiting for them ends; DVC itself is in tests/test_dag.py."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.exceptions import NotDvcRepoError

from tavlad.console import Failures
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

    monkeypatch.setattr(queue.subprocess, "run", run)
    monkeypatch.setattr(queue, "LOG", tmp_path / "log")
    monkeypatch.setattr(queue, "PAUSES", (0.0, 0.0))
    return called


def test_a_run_is_queued_with_its_name_and_all_that_it_sets(workers: list[list[str]]) -> None:
    queue.enqueue(RUNS[:1])
    assert workers == [
        ["exp", "run", "--queue", "--name", "a", "-S", "clusters=4", "-S", "stage2.lr=1e-05"],
    ]


def test_all_that_dvc_refuses_is_named(workers: list[list[str]]) -> None:
    with pytest.raises(Failures) as error:
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
    with pytest.raises(Failures) as error:
        queue.work(RUNS[:2], 3, lambda: next(looks))
    assert error.value.rows == [("b", "Failed")] and workers == [["queue", "start", "--jobs", "3"]]
    assert next(looks, None) is None


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
    monkeypatch.setattr(queue, "LOOKS", 2)
    looks = iter([NotDvcRepoError("never")] * 3)
    with pytest.raises(NotDvcRepoError):
        queue.states()


def test_workers_that_ended_too_early_are_started_again(workers: list[list[str]]) -> None:
    waiting = [{"a": "Queued"}] * queue.IDLE
    looks = iter([{"a": "Running"}, *waiting[1:], {"a": "Running"}, *waiting, {"a": "Running"}, {"a": "Success"}])
    queue.work(RUNS[:1], 2, lambda: next(looks))
    assert workers == [["queue", "start", "--jobs", "2"]] * 2


def test_a_run_that_failed_once_is_known_by_its_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a", None), ("a", "Failed"), ("b", "Queued"), ("b", "Failed"), ("c", "Failed"), (None, None)]
    monkeypatch.setattr(
        queue.dvc.api, "exp_show", lambda: [{"Experiment": name, "State": state} for name, state in rows]
    )
    assert queue.states() == {"a": "Success", "b": "Queued", "c": "Failed"}


def test_only_what_runs_no_more_is_called_failed(workers: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("1a", "a", "Running"), ("2b", "b", "Running"), ("3c", "c", "Queued"), ("4d", None, "Running")]
    shown = [dict(zip(("rev", "Experiment", "State"), row, strict=True)) for row in rows]
    monkeypatch.setattr(queue.dvc.api, "exp_show", lambda: shown)
    processes = [SimpleNamespace(info={"cmdline": words}) for words in (["dvc", "exec-run", "run/2b45/2b45.run"], None)]
    monkeypatch.setattr(queue.psutil, "process_iter", lambda _: processes)
    assert queue.fail_dead() == ["a"] and workers == [["queue", "kill", "1a"]]


def test_waiting_for_nothing_ends_at_once(workers: list[list[str]]) -> None:
    queue.work([], 1, dict)

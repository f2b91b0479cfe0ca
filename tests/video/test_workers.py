import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tavlad.video.workers import Failure, Supervised, supervise
from tests.video import hazards

ROOT = Path(__file__).parents[2]


def ended(pid: int) -> bool:
    """Whether a process that is not our child is gone, or waits for its adopter to notice that it is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, what: str) -> None:
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(0.02)


def test_results_belong_to_their_jobs():
    jobs = [("fine", value) for value in range(20)]
    assert sorted(supervise(hazards.misbehave, jobs, 2, 30, 500)) == [(job, job[1] ** 2) for job in jobs]


def test_each_misfortune_is_one_jobs_failure():
    unfortunate = {
        ("crash", 1): "the decoder crashed (signal 11)",
        ("hang", 2): "took longer than 3 s",
        ("eat", 100): "needed more than 300 MB",
        ("leave", 4): "the decoder ended the process (exit status 7)",
        ("raise", 5): "KeyError: 5",
    }
    jobs = [("fine", 3), *unfortunate, ("fine", 6), ("eat", 1), ("print", 7)]
    outcomes = dict(supervise(hazards.misbehave, jobs, 2, 3, 300))
    assert {job: outcomes.pop(job).reason for job in unfortunate} == unfortunate
    assert outcomes == {("fine", 3): 9, ("fine", 6): 36, ("eat", 1): 1, ("print", 7): 49}


def test_one_process_stays_until_a_job_ends_it(tmp_path):
    process = Supervised(hazards.note_pid, 3, 300)
    assert process.run((str(tmp_path), 0)) == process.run((str(tmp_path), 0))
    process = Supervised(hazards.misbehave, 3, 300)
    assert process.run(("crash", 1)) == Failure("the decoder crashed (signal 11)")
    assert process.run(("fine", 3)) == 9
    assert process.run(("hang", 1)) == Failure("took longer than 3 s")
    assert process.run(("raise", 5)) == Failure("KeyError: 5")


def test_jobs_are_read_only_as_workers_become_free():
    read = []

    def jobs() -> Iterator[tuple[str, int]]:
        for value in range(100):
            read.append(value)
            yield "fine", value

    running = supervise(hazards.misbehave, jobs(), 2, 30, 500)
    for finished in range(1, 4):
        next(running)
        assert len(read) <= finished + 2
    running.close()
    assert len(read) <= 5


def test_closing_ends_the_workers(tmp_path):
    running = supervise(hazards.note_pid, [(str(tmp_path), 0), (str(tmp_path), 600)], 2, 700, 500)
    next(running)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both workers had started")
    running.close()
    assert all(ended(int(file.name)) for file in tmp_path.iterdir())


def test_no_more_workers_than_asked_for(tmp_path):
    pids = {pid for _, pid in supervise(hazards.note_pid, [(str(tmp_path), 0)] * 12, 2, 30, 500)}
    assert len(pids) <= 2
    pids = {pid for _, pid in supervise(hazards.note_pid, [(str(tmp_path), 0)] * 12, 0, 30, 500)}
    assert len(pids) == 1


def test_no_jobs_no_workers():
    assert list(supervise(hazards.misbehave, [], 2, 30, 500)) == []


def test_a_task_that_cannot_be_imported_ends_the_run(capfd):
    def task() -> None: ...

    task.__module__ = "no_such_module"
    with pytest.raises(RuntimeError, match="could not start"):
        list(supervise(task, [()], 2, 30, 500))
    assert "no_such_module" in capfd.readouterr().err


def test_workers_die_with_a_killed_supervisor(tmp_path):
    script = (
        "from tavlad.video.workers import Failure, Supervised, supervise; from tests.video import hazards\n"
        f"list(supervise(hazards.note_pid, [({str(tmp_path)!r}, 600)] * 2, 2, 700, 500))"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)})
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both workers had started")
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    wait_until(lambda: all(ended(int(file.name)) for file in tmp_path.iterdir()), "both workers had died")


def test_a_job_that_comes_forward_has_its_deadline_anew():
    jobs = [(0.3, 10, False), (0.3, 10, True)]
    outcomes = dict(supervise(hazards.take_steps, jobs, 1, 1.5, 500))
    assert outcomes == {jobs[0]: Failure("took longer than 1.5 s"), jobs[1]: 10}
    assert hazards.take_steps(0, 2, True) == 2  # no deadline, nothing to renew

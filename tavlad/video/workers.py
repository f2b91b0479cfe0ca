"""Supervised worker processes, for tasks that may crash, hang or use up all memory (as decoders do on hostile files).

A standard process pool breaks at the first crash and cannot tell which job caused it. Here each process has one job at
a time, and the kernel ends it when its deadline passes: a failing job does not affect others.
Run as a program, this module is such a worker: jobs arrive as JSON lines on stdin, answers go to the original stdout.
"""

import contextlib
import importlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

from tavlad.parent import die_with

Job = TypeVar("Job", bound=tuple[Any, ...])
READY = b"ready\n"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # NumPy's threads would only cost memory


@dataclass(frozen=True)
class Failure:
    """Why a job has no result."""

    reason: str


def supervise(
    task: Callable[..., Any], jobs: Iterable[Job], workers: int, deadline: float, megabytes: int
) -> Iterator[tuple[Job, Any]]:
    """Run `task(*job)` in `workers` processes (at least one); yields (job, result or Failure) as they finish.

    `task` is a function of an importable module; its arguments and results must be JSON-serialisable. `jobs` is
    consumed only as workers become free. A job may take `deadline` seconds, and `megabytes` of memory beyond an idle
    worker's.
    """
    waiting = iter(jobs)
    crew: set[_Worker] = set()
    with selectors.DefaultSelector() as selector:

        def start(job: Job, worker: _Worker | None = None) -> None:
            worker = worker or _Worker(task, deadline, megabytes)
            crew.add(worker)
            selector.register(worker.answers, selectors.EVENT_READ, worker)
            worker.give(job)

        try:
            for job in islice(waiting, max(1, workers)):
                start(job)
            while crew:
                for worker in [key.data for key, _ in selector.select()]:
                    finished, outcome = worker.job, worker.collect()
                    if outcome is READY:
                        continue
                    selector.unregister(worker.answers)
                    crew.remove(worker)
                    following = list(islice(waiting, 1))
                    if not (worker.alive and following):
                        worker.end()
                    for job in following:
                        start(job, worker if worker.alive else None)
                    yield finished, outcome
        finally:
            for worker in crew:
                worker.end()


class Supervised:
    """A single worker that is kept between jobs, and replaced if a job ends it."""

    def __init__(self, task: Callable[..., Any], deadline: float, megabytes: int):
        self.start: Callable[[], _Worker] = lambda: _Worker(task, deadline, megabytes)
        self.worker: _Worker | None = None

    def run(self, job: tuple[Any, ...]) -> Any:
        """The result of one job or a `Failure`, as in `supervise`."""
        worker = self.worker = self.worker or self.start()
        worker.give(job)
        while (outcome := worker.collect()) is READY:
            pass
        if not worker.alive:
            worker.end()
            self.worker = None
        return outcome


class _Worker:
    """The supervisor's side of a worker process and its current job."""

    def __init__(self, task: Callable[..., Any], deadline: float, megabytes: int):
        self.deadline, self.alive, self.ready = deadline, True, False
        self.job: Any = None
        command = [sys.executable, "-m", __name__, f"{task.__module__}:{task.__qualname__}"]
        self.process = subprocess.Popen(
            [*command, str(deadline), str(megabytes), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a line left in a buffer would not wake the selector
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        assert self.process.stdin and self.process.stdout, "both were asked for as pipes"
        self.orders: IO[bytes] = self.process.stdin
        self.answers: IO[bytes] = self.process.stdout

    def give(self, job: tuple[Any, ...]) -> None:
        self.job = job
        with contextlib.suppress(BrokenPipeError):  # it died idle; collect() will see that
            self.orders.write(json.dumps(job).encode() + b"\n")

    def collect(self) -> Any:
        """The result, a Failure, or READY after start-up; call it when `answers` is readable."""
        line = self.answers.readline()
        if line == READY:
            self.ready = True
            return READY
        if line.endswith(b"\n"):
            answer = json.loads(line)
            return Failure(answer["failure"]) if "failure" in answer else answer["result"]
        self.alive = False
        return Failure(self._cause(self.process.wait()))

    def _cause(self, status: int) -> str:
        if not self.ready:
            raise RuntimeError(f"a worker process could not start (exit status {status}); what it printed is above")
        if status == -signal.SIGALRM:
            return f"took longer than {self.deadline:g} s"
        if status == -signal.SIGKILL:
            return "was killed (signal 9), perhaps because memory ran out"
        if status < 0:
            return f"the decoder crashed (signal {-status})"
        return f"the decoder ended the process (exit status {status})"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.orders.close()
        self.answers.close()


def serve(task_name: str, deadline: float, megabytes: int, parent: int) -> None:
    """The worker's side: answer jobs until the supervisor closes the pipe or dies."""
    die_with(parent)  # on systems other than Linux the deadline ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which then ends its workers
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process at once, whatever native code is doing
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # output of libraries must not look like an answer
    module, _, name = task_name.partition(":")
    task = getattr(importlib.import_module(module), name)
    answers.write(READY)
    for line in sys.stdin:
        answers.write(json.dumps(_answer(task, json.loads(line), deadline, megabytes)).encode() + b"\n")


def _answer(task: Callable[..., Any], job: list[Any], deadline: float, megabytes: int) -> dict[str, Any]:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = _data_bytes() + megabytes * 10**6
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, deadline, deadline)  # the interval is for `renew_deadline`
    try:
        return {"result": task(*job)}
    except MemoryError:
        return {"failure": f"needed more than {megabytes} MB"}
    except Exception as error:
        reason = None if isinstance(error, UnicodeError) else getattr(error, "reason", None)  # it has a `reason` too
        if reason is None:  # unexpected: show where
            traceback.print_exc()
        return {"failure": reason or f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def renew_deadline() -> None:
    """Restart the running job's deadline, as it has made progress; does nothing outside a worker."""
    if deadline := signal.getitimer(signal.ITIMER_REAL)[1]:
        signal.setitimer(signal.ITIMER_REAL, deadline, deadline)


def _data_bytes() -> int:
    """The bytes of this process that count towards RLIMIT_DATA; 0 if the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[5]) * resource.getpagesize() if statm.exists() else 0


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))

"""DVC's queue: which runs of this commit are done or queued, and how to queue and run the others."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import dvc.api
import psutil
from dvc.exceptions import NotDvcRepoError

from tavlad import console
from tavlad.errors import TavladError
from tavlad.experiments.plan import Run
from tavlad.params import available_cpus
from tavlad.store.locking import host

STATES = "Failed", "Queued", "Running", "Success"  # worst first: DVC keeps a failed run beside its repetition
ATTEMPTS = 5  # to read the experiments while DVC creates a run's folder
TICK = 2.0  # seconds between two looks at the processes of this machine
PAUSE = 10  # the longest pause between looks at the queue, in looks: with dozens of runs, one takes DVC 20 s
ADVICE = "`dvc queue logs NAME` shows what happened; run the same command again to queue the missing runs."
LOG = Path(".dvc/tmp/queue-worker.log")  # a worker would keep the terminal open, so it gets a file
RUNS = Path(".dvc/tmp/exps/run")  # DVC's folder for each run, named by its revision
HOST = host()


def states() -> dict[str, str]:
    """The state of each experiment of HEAD by name: the best of STATES among the runs with that name."""
    found = [(STATES.index(row["State"] or "Success"), row["Experiment"]) for row in _rows()]
    return {name: STATES[state] for state, name in sorted(found, key=itemgetter(0)) if name}


def revisions() -> dict[str, str]:
    """The Git revision of each successful experiment of HEAD, by name."""
    return {row["Experiment"]: row["rev"] for row in _rows() if row["Experiment"] and row["State"] in (None, "Success")}


def fail_dead() -> list[str]:
    """Mark as failed the runs that DVC considers running but that are dead, as after a power cut; returns their names.

    A run never seen on this machine only gives a warning: on a shared disk, another machine may be running it.
    """
    running = {row["rev"]: row["Experiment"] for row in _rows() if row["State"] == "Running" and row["Experiment"]}
    here, failed = _seen_here(), []
    for rev, name in running.items():
        noted = "".join(note.read_text() for note in RUNS.glob(f"{rev}*/host"))
        if any(full.startswith(rev) for full in here):
            continue
        if noted == HOST:
            _note_end(rev)
            failed += [] if _dvc("queue", "kill", rev).returncode else [name]
        else:
            seen = f"it was last seen on {noted}: look there" if noted else "its machine is unknown"
            advice = f"If it is not running anywhere, end it by hand: `dvc queue kill {name}`"
            console.warn(f"{name} is marked as running, but not on this machine, {HOST}; {seen}. {advice}")
    return failed


def missing(runs: Sequence[Run], known: Mapping[str, str]) -> list[Run]:
    """The runs that are neither done nor queued nor running; failed ones are missing."""
    return [run for run in runs if known.get(run.name) not in ("Success", "Queued", "Running")]


def enqueue(runs: Sequence[Run]) -> None:
    """`dvc exp run --queue` for each run; TavladError naming those that DVC rejects."""
    rows = []
    for run in console.track(runs, "queue", len(runs), "experiments"):
        settings = [part for override in run.overrides for part in ("-S", override)]
        done = _dvc("exp", "run", "--queue", "--name", run.name, *settings)
        if done.returncode:
            rows.append((run.name, (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]))
    if rows:
        raise TavladError(f"{len(rows)} of {len(runs)} experiments cannot be queued", rows, "Nothing was started.")


def work(runs: Sequence[Run], jobs: int, look: Callable[[], Mapping[str, str]] = states) -> None:
    """Wait until all `runs` have ended, with `jobs` workers; TavladError naming those that failed."""
    over: set[str] = set()
    with console.bar("experiments", len(runs), "runs") as advance:
        while len(over) < len(runs):
            begun, seen = time.monotonic(), _seen_here()  # before the look, during which a run may end
            known = look()
            ended = {run.name for run in runs if known.get(run.name) not in ("Queued", "Running")}
            running = ", ".join(name for name, state in known.items() if state == "Running")
            advance(len(ended - over), f"now: {running}" if running else "")
            over = ended
            if "Queued" in known.values():
                _start_workers(shares(jobs))
            if len(over) < len(runs):
                _await_change(seen, PAUSE * (time.monotonic() - begun))
    rows = [(run.name, known.get(run.name, "is gone")) for run in runs if known.get(run.name) != "Success"]
    if rows:
        raise TavladError(f"{len(rows)} of {len(runs)} experiments did not succeed", rows, ADVICE)


def _await_change(seen: set[str], seconds: float) -> None:
    """Wait until other runs than `seen` are active on this machine, for so many seconds at most."""
    end = time.monotonic() + seconds
    while _seen_here() == seen and time.monotonic() < end:
        time.sleep(TICK)
    time.sleep(TICK)  # DVC notes the end of a run after its process has ended


def shares(jobs: int) -> list[dict[str, str]]:
    """Environment variables of each of `jobs` workers: its GPUs and its share of the cores of this machine.

    With fewer GPUs than workers, some share one. OMP_NUM_THREADS is kept if it is set.
    """
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, available_cpus() // jobs))
    gpus, own = _gpus(), [{"OMP_NUM_THREADS": threads} for _ in range(jobs)]
    for number, environment in enumerate(own if gpus else []):
        chosen = gpus[number * len(gpus) // jobs : (number + 1) * len(gpus) // jobs] or [gpus[number % len(gpus)]]
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    return own


def _gpus() -> list[str]:
    """The GPUs of this process, as named in CUDA_VISIBLE_DEVICES."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    import torch  # slow to import

    return [str(number) for number in range(torch.cuda.device_count())]


def _rows() -> list[dict[str, Any]]:
    """`dvc exp show`, retried while DVC creates or removes the folder of a run."""
    for _ in range(ATTEMPTS):
        try:
            return list(dvc.api.exp_show())
        except NotDvcRepoError:
            time.sleep(TICK)
    return list(dvc.api.exp_show())


def _seen_here() -> set[str]:
    """The full revisions of the runs active on this machine; also notes its name in the folder of each."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    seen = {Path(word).stem for words in commands if "exec-run" in words for word in words if word.endswith(".run")}
    for folder in (RUNS / rev for rev in seen):
        if folder.is_dir() and not (folder / "host").exists():
            (folder / "host").write_text(HOST)
    return seen


def _note_end(rev: str) -> None:
    """Tell DVC that the process of a run ended: `dvc queue kill` would interrupt any process that now has its PID."""
    for note in RUNS.glob(f"{rev}*/{rev}*.json"):
        process = json.loads(note.read_text())
        if process["returncode"] is None:
            note.write_text(json.dumps({**process, "returncode": -1}))


def _start_workers(environments: Sequence[Mapping[str, str]]) -> None:
    """Start the missing workers, one for each of `environments`; `dvc queue start` has one environment for all.

    A worker exits when it misses a call from DVC, which waits one second: after the machine slept, for example.
    """
    known = {word for process in psutil.process_iter(["cmdline"]) for word in process.info["cmdline"] or []}
    project = hashlib.sha256(os.getcwdb()).hexdigest()[:6]
    for number, environment in enumerate(environments, start=1):
        name = f"tavlad-{project}-{number}@localhost"
        if name not in known:
            command = [sys.executable, "-m", "dvc", "exp", "queue-worker", name]
            with open(LOG, "a") as log:
                subprocess.Popen(
                    [*command, "--clean"] if number == 1 else command,  # as DVC does for its first worker
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C ends the wait, but no run
                )


def _dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True)

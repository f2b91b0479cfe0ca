"""`dvc repro`, killed repeatedly at random moments: it must end as if nothing had happened.

    python -m tests.faults.kills --kills 200

Runs the DAG with one split on tiny clips. Exits with 1 if anything is lost, made twice, different or left behind.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import click
import numpy as np
import psutil
from numpy.random import Generator
from rich.console import Console
from rich.table import Table

from tests.faults.run_outputs import RunOutputs, Watch
from tests.project import Project

TARGETS = {"group": 0.35, "dvc": 0.2, "stage": 0.15, "worker": 0.3}  # what is killed, and how often
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EARLY = 0.1  # the share of kills that may come before DVC has started a stage
LATE = 1.5  # moments are drawn from this multiple of the stage's duration, so that some hit what follows
TORN = ("Unable to read RWLock-file", "'./dvc.lock'")  # DVC's messages if its own files are torn
PATIENCE = 120.0  # seconds within which a killed process must have ended


@dataclass(frozen=True)
class Kill:
    """What was killed with which signal, and the running stage, or "dvc" between two stages."""

    target: str
    signal: str
    moment: str


@dataclass
class Report:
    """All kills, the passes through the DAG, what DVC itself left behind, and everything that was wrong."""

    kills: list[Kill] = field(default_factory=list)
    passes: int = 0
    torn: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)


class Run:
    """A `dvc repro` that can be killed."""

    def __init__(self, project: Project, watch: Watch, *targets: str):
        self.log, self.watch, self.struck = project.folder / "killed.log", watch, False
        self.offset = self.log.stat().st_size if self.log.exists() else 0
        # background jobs of a shell and their children ignore Ctrl-C by default
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process: Popen[bytes] = project.start("dvc", "repro", *targets)

    @property
    def alive(self) -> bool:
        """Whether DVC's own process is running."""
        return self.process.poll() is None

    def output(self) -> str:
        """The output of this run and of the processes it left behind."""
        return self.log.read_bytes()[self.offset :].decode()

    def stage(self) -> str | None:
        """The last stage that DVC started."""
        begun = [line.split("'")[1] for line in self.output().splitlines() if line.startswith("Running stage")]
        return begun[-1] if begun else None

    def wait(self, seconds: float, until_begun: bool = False) -> None:
        """Watch the store for so long, or until DVC ends or, optionally, has started a stage."""
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end and not (until_begun and self.stage()):
            self.watch.look()
            time.sleep(0.02)
        self.watch.look()

    def strike(self, target: str, number: signal.Signals) -> Kill:
        """Send a signal to the target, or to the nearest process if it does not exist."""
        stages, workers = family(self.process.pid)
        moment = (self.stage() or "dvc") if stages else "dvc"
        target = "stage" if target == "worker" and not workers else target
        target = "dvc" if target == "stage" and not stages else target
        hit = {"worker": workers, "stage": stages[:1], "dvc": [psutil.Process(self.process.pid)]}
        try:
            if target == "group":
                os.killpg(self.process.pid, number)
            else:
                hit[target][0].send_signal(number)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass  # it has just ended on its own
        self.struck = True
        ends = target == "group" or (target == "dvc" and number is not signal.SIGINT)  # DVC leaves Ctrl-C to the stage
        if ends:
            self.wait(PATIENCE)
        return Kill(target, number.name, moment.split("@")[0])


def disturb(project: Project, undisturbed: RunOutputs, rng: Generator, most: int, report: Report) -> None:
    """Kill `dvc repro` up to `most` times, let it finish, and compare."""
    watch, last = Watch(project.folder), len(report.kills) + most
    run = Run(project, watch)
    while True:
        if rng.random() < EARLY:
            run.wait(rng.uniform(0, 2))
        else:
            run.wait(PATIENCE, until_begun=True)
            run.wait(rng.uniform(0, LATE) * undisturbed.seconds.get(run.stage() or "", 0))
        if run.alive and len(report.kills) < last:
            target = str(rng.choice(list(TARGETS), p=list(TARGETS.values())))
            report.kills.append(run.strike(target, SIGNALS[rng.integers(3)]))
        if run.alive and len(report.kills) < last:
            continue  # the run does not end because of this kill
        run.wait(undisturbed.patience)
        if run.process.poll() == 0:
            report.wrongs += [*watch.wrongs, *undisturbed.differences(project)]
            report.torn += [f"left in DVC's cache: {Path(name).suffix}" for name in undisturbed.litter(project)]
            return
        if any(words in run.output() for words in TORN):
            said = project.run("tavlad", "doctor", "dvc").stdout.splitlines()
            report.torn += [line for line in said if line.startswith("removed")]
        elif run.alive or not run.struck:
            report.wrongs.append(f"`dvc repro` did not finish:\n{run.output()}")
            return
        run = Run(project, watch)


def campaign(folder: Path, kills: int, seed: int) -> Report:
    """Run the DAG in `folder` again and again until `kills` were sent or something went wrong."""
    rng, report = np.random.default_rng(seed), Report()
    undisturbed = RunOutputs.of(one_split(folder / "undisturbed"))
    while len(report.kills) < kills and not report.wrongs:
        report.passes += 1
        project = one_split(folder / f"pass{report.passes}")
        disturb(project, undisturbed, rng, kills - len(report.kills), report)
        click.echo(f"pass {report.passes}: {len(report.kills)} of {kills} kills", err=True)
        if not report.wrongs:
            shutil.rmtree(project.folder)
    return report


def one_split(folder: Path) -> Project:
    """A copy of the project on tiny clips, with one split, and enough clips and epochs to be killed between them."""
    folder.mkdir(parents=True)
    project = Project(folder)
    project.keep_one_split()
    project.edit({"demo": {"clips": 2}, "stage1": {"epochs": 6}, "stage2": {"epochs": 4}})
    project.commit("one split")
    return project


def family(pid: int) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The stage's process, if there is one, and its children."""
    try:
        for child in psutil.Process(pid).children(recursive=True):
            if any(argument.startswith("pipeline.") for argument in child.cmdline()):
                return [child], child.children(recursive=True)
    except psutil.Error:
        pass  # it has just ended
    return [], []


@click.command()
@click.option("--kills", default=200)
@click.option("--seed", default=1)
def main(kills: int, seed: int) -> None:
    """Kill `dvc repro` so many times, and print what was killed where."""
    folder = Path(tempfile.mkdtemp(prefix="kills"))
    report = campaign(folder, kills, seed)
    names = [*TARGETS, *(number.name for number in SIGNALS)]
    table = Table("at work", "kills", *names)
    for moment in [*sorted({kill.moment for kill in report.kills}), "all"]:
        here = [kill for kill in report.kills if moment in (kill.moment, "all")]
        counts = Counter(name for kill in here for name in (kill.target, kill.signal))
        table.add_row(moment, str(len(here)), *(str(counts[name] or "") for name in names))
    Console(width=100).print(table)
    click.echo("".join(f"WRONG {line}\n" for line in report.wrongs), nl=False)
    found = f"{len(report.kills)} kills, {report.passes} passes, {len(report.wrongs)} wrongs"
    click.echo("".join(f"{number} times: {line}\n" for line, number in Counter(report.torn).items()) + found)
    if not report.wrongs:
        shutil.rmtree(folder)
    sys.exit(bool(report.wrongs))


if __name__ == "__main__":
    main()

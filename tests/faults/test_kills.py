"""Kills in each long stage and at random moments (`make faults` does 200), and runs side by side with `dvc repro`."""

import signal
import time

import numpy as np
import psutil
import pytest

from tests.faults.kills import Report, Run, disturb, family, one_split
from tests.faults.run_outputs import RunOutputs, Watch
from tests.test_dag import CLIPS, entries

pytestmark = [pytest.mark.whole, pytest.mark.timeout(2400)]  # several passes through the DAG


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return RunOutputs.of(one_split(tmp_path_factory.mktemp("undisturbed") / "project"))


def said(run: Run, words: str) -> None:
    """Wait until a run has printed a text."""
    end = time.monotonic() + 120
    while words not in run.output():
        assert time.monotonic() < end, run.output()
        time.sleep(0.02)


def test_killed_in_each_long_stage_and_at_random_it_ends_as_if_never_killed(undisturbed, tmp_path):
    project, report = one_split(tmp_path / "project"), Report()
    watch = Watch(project.folder)
    for stage, several in (("decode", 3), ("extract", 3), ("stage1-epoch", 1), ("stage2-epoch", 1)):
        run = Run(project, watch)
        while len(entries(project, stage)) < several:
            run.wait(0.02)
            assert run.alive, run.output()
        run.strike("group", signal.SIGKILL)
        assert len(entries(project, stage)) < 2 * CLIPS, "killed too late to show anything"
    disturb(project, undisturbed, np.random.default_rng(0), 2, report)
    watch.look()
    assert [*watch.wrongs, *report.wrongs] == [] and report.kills


def test_of_two_concurrent_runs_the_second_refuses_and_names_the_first(tmp_path):
    project = one_split(tmp_path / "project")
    first = Run(project, Watch(project.folder), "decode")
    said(first, "Running stage 'decode'")
    second = project.run("dvc", "repro", check=False)
    assert second.returncode != 0 and "busy" in second.stderr and str(first.process.pid) in second.stderr
    first.wait(300)
    assert first.process.returncode == 0, first.output()


def test_after_only_dvc_is_killed_the_next_run_waits_for_its_stage(undisturbed, tmp_path):
    project = one_split(tmp_path / "project")
    first = Run(project, Watch(project.folder))
    while not list(project.folder.glob("data/.store/stage1-epoch/*/*")):
        first.wait(0.05)
        assert first.alive, first.output()
    [orphan], _ = family(first.process.pid)
    orphan.suspend()  # so that it is still running when the next one starts
    first.strike("dvc", signal.SIGKILL)
    assert orphan.status() == psutil.STATUS_STOPPED
    second = Run(project, first.watch)
    said(second, "another process is running 'stage1@split1' on this store; waiting")
    orphan.resume()
    second.wait(undisturbed.patience)
    assert second.process.returncode == 0, second.output()
    assert [*first.watch.wrongs, *undisturbed.differences(project)] == []

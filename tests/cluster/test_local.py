"""Stage decode with `engine: ray` and no address: nobody else can reach it, and nothing is left when it is killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.pipeline.test_decode import configure, film, index, published, run
from tests.stages import own_code

pytest.importorskip("ray", reason="engine: ray is an extra: pip install -e '.[cluster]'")
pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[2]
# two helpers of a raylet, which do no work: they try for a minute to tell the dead server that it is dead
LINGERING = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(40):
        film(tmp_path / f"raw/open/{number}.avi", 250, number)
    configure(tmp_path)
    return tmp_path


def started(folder: Path) -> subprocess.Popen[str]:
    """The stage on Ray, by now with some clips in the store."""
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("engine: local", "engine: ray"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAVLAD_STORE": str(folder / "store")}
    command = [sys.executable, "-m", "pipeline.decode", own_code("decode", folder), "clips.csv", "frames"]
    # background jobs of a shell and their children ignore Ctrl-C by default
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not kept(folder):
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)  # or it could finish while its processes are counted
    return process


def kept(folder: Path) -> int:
    return len([*(folder / "store" / "decode").glob("*/*")])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_it_leaves_nothing_running_and_a_local_run_goes_on(folder: Path, how: signal.Signals) -> None:
    ids = index(folder)
    process = started(folder)
    family = psutil.Process(process.pid).children(recursive=True)
    working = [one for one, name in named(family) if name not in LINGERING]
    listening = {one.laddr.ip for child in family for one in open_ports(child)}
    assert len(working) > 4 and listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    process.communicate()
    _, alive = psutil.wait_procs(working, timeout=60)
    assert [name for one, name in named(alive) if one.status() != psutil.STATUS_ZOMBIE] == []
    before = kept(folder)
    assert 0 < before < len(ids)
    configure(folder)
    status, output, errors = run(folder)
    assert status == 0 and f"decoded {len(ids)} clips ({len(ids) - before} new)" in output, errors
    assert published(folder) == ids


def named(processes: list[psutil.Process]) -> list[tuple[psutil.Process, str]]:
    """The processes that are still there, each with what it calls itself."""
    found = []
    for one in processes:
        with suppress(psutil.Error):
            found.append((one, one.cmdline()[0] if one.cmdline() else one.name()))
    return found


def open_ports(process: psutil.Process) -> list:
    try:
        return [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []

"""The measure by which films of an hour and hostile files are judged must see what a process itself needs, no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.memory import most_held

ROOT = Path(__file__).parents[1]
ASK = "from tests.memory import most_held; {}; print(most_held())"


@pytest.mark.parametrize(
    ("what", "least", "most"), [("pass", 0, 60e6), ("bytearray(b'x' * 100_000_000)", 190e6, 260e6)]
)
def test_a_process_is_measured_apart_from_its_parent(what, least, most):
    held = b"x" * 300_000_000  # by this one, which starts it
    command = [sys.executable, "-c", ASK.format(what)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    assert least < int(done.stdout) < most and most_held() > len(held)


def test_what_has_ended_holds_nothing():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert most_held(ended.pid) == 0

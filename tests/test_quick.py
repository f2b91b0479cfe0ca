"""`make quick` leaves out what takes long, and `make test` does not."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONG = re.compile(r"\bnew_project\b|\bone_split\b|tests\.faults\.fuzz\b")  # runs the whole DAG, or a campaign of faults
MARK = re.compile(r"^pytestmark = .*\bpytest\.mark\.whole\b", re.MULTILINE)
MODULES = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path != Path(__file__)]


@pytest.mark.parametrize("target, marks", [("quick", ' -m "not long and not whole"'), ("test", "")])
def test_what_is_run(target: str, marks: str) -> None:
    command = ["make", "--no-print-directory", "--dry-run", target]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert planned.splitlines()[-1] == f"python -m pytest{marks}"


def test_what_takes_long_is_marked() -> None:
    long = [path for path in MODULES if LONG.search(path.read_text())]
    assert len(long) > 3
    assert [str(path) for path in long if not MARK.search(path.read_text())] == []

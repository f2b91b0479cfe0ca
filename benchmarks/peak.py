"""Runs a module as a program, and leaves the most memory that its process held: `python -m benchmarks.peak FILE MODULE
ARGUMENTS...` writes the bytes to FILE."""

import os
import re
import runpy
import sys
from pathlib import Path


def peak_memory() -> int:
    """The largest resident size in bytes of this process; `ru_maxrss` would also count what its parent held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{os.getpid()}/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    file, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        file.write_text(str(peak_memory()))

"""Runs a module as a program and records its peak memory: `python -m benchmarks.peak FILE MODULE ARGUMENTS...` writes
the number of bytes to FILE."""

import os
import re
import runpy
import sys
from pathlib import Path


def peak_memory() -> int:
    """The peak resident size of this process in bytes; `ru_maxrss` would include the parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{os.getpid()}/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    file, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        file.write_text(str(peak_memory()))

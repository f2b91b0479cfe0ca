"""Processes that must not outlive the one that started them."""

import ctypes
import os
import signal
import sys


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent, the process `parent`, is killed; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit("the process that started this one is gone")

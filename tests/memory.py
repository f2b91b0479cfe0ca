"""How much memory a process has needed."""

import os
import re
from pathlib import Path


def most_held(pid: int | None = None) -> int:
    """The largest resident size in bytes of a process (None: this one) since it is its own program; 0 if it has ended.

    The system's `ru_maxrss` also counts what its parent held when it was started.
    """
    try:
        status = Path(f"/proc/{pid or os.getpid()}/status").read_text()
    except FileNotFoundError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0

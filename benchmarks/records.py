"""Records of benchmarks: one line of JSON per machine and commit."""

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from benchmarks.place import ROOT, usable_cores
from tavlad.store.store import processor

LIBRARIES = ("torch", "torchvision", "av", "h5py", "isal", "numpy", "pillow", "scikit-learn", "dvc", "safetensors")
CODE = ("pipeline", "tavlad", "presets", "dvc.yaml", "params.yaml")  # the code that is measured
MARKS = ("what", "machine", "commit", "changed")  # a line replaces an older one with the same values


def record(what: str, started: float, load: tuple[float, float, float], measured: dict[str, Any]) -> dict[str, Any]:
    """The contents of a line: kind of benchmark, machine, versions, commit and measurements.

    `started` comes from time.time(), `load` is the machine's load average before.
    """
    commit = _git("rev-parse", "HEAD")
    return {
        "what": what,
        "machine": machine(),
        "commit": commit,
        "changed": bool(_git("status", "--porcelain", "--", *CODE)),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "load": {"before": load, "after": os.getloadavg()},
        "versions": versions(),
        **measured,
    }


def machine() -> dict[str, Any]:
    """The processor, the number of usable cores, torch's threads, the system, and the GPU if there is one."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    system = f"{platform.system()} {platform.machine()}"
    cores, threads = usable_cores(), torch.get_num_threads()
    return {"processor": processor(), "cores": cores, "threads": threads, "system": system, "gpu": gpu}


def versions() -> dict[str, str]:
    """The versions of Python and of the installed libraries; not every commit has all of them."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def keep(file: Path, line: dict[str, Any]) -> None:
    """Append `line` to `file`; remove an older one of the same machine and commit."""
    older = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [one for one in older if _marks(json.loads(one)) != _marks(line)]
    file.write_text("".join(f"{one}\n" for one in [*kept, json.dumps(line)]), encoding="utf-8")


def _marks(line: dict[str, Any]) -> list[Any]:
    return [line[name] for name in MARKS]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"

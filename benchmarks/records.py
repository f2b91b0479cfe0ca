"""A line of JSON for each machine and commit."""

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
CODE = ("pipeline", "tavlad", "presets", "dvc.yaml", "params.yaml")  # what a measurement is of
MARKS = ("what", "machine", "commit", "changed")  # by which a line replaces an older one


def record(what: str, started: float, load: tuple[float, float, float], measured: dict[str, Any]) -> dict[str, Any]:
    """What a line holds: the kind of benchmark, the machine, the versions, the commit, and what was measured.

    `started` is of time.time(), `load` the machine's load before.
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
    """The processor's name, its cores that may be used, the threads of torch, the system, the GPU if there is one."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    system = f"{platform.system()} {platform.machine()}"
    cores, threads = usable_cores(), torch.get_num_threads()
    return {"processor": processor(), "cores": cores, "threads": threads, "system": system, "gpu": gpu}


def versions() -> dict[str, str]:
    """Python's, and those of the libraries that are installed: a commit may lack one."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def keep(file: Path, line: dict[str, Any]) -> None:
    """Append `line` to `file`, in the place of an older one of the same machine and commit."""
    older = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [one for one in older if _marks(json.loads(one)) != _marks(line)]
    file.write_text("".join(f"{one}\n" for one in [*kept, json.dumps(line)]), encoding="utf-8")


def _marks(line: dict[str, Any]) -> list[Any]:
    return [line[name] for name in MARKS]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"

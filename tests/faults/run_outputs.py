"""The outputs of a run of the DAG: compared with those of another run, and watched while they are made."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.project import Project

LITTER = 1 << 16  # bytes that a killed DVC may leave in its cache: too few for any artifact
PATIENCE = 120.0  # seconds for processes that a killed DVC left running


@dataclass(frozen=True)
class RunOutputs:
    """The outputs of an undisturbed run, and the seconds from the start of each stage to that of the next."""

    lock: str
    metrics: bytes
    files: frozenset[str]
    seconds: dict[str, float]

    @classmethod
    def of(cls, project: Project) -> "RunOutputs":
        """Run the DAG of `project` to the end."""
        log, begun = project.folder / "killed.log", dict[str, float]()
        process = project.start("dvc", "repro")
        while process.poll() is None:
            time.sleep(0.02)
            for line in log.read_text().splitlines():
                if line.startswith("Running stage"):
                    begun.setdefault(line.split("'")[1], time.monotonic())
        assert process.returncode == 0, log.read_text()
        moments = [*begun.values(), time.monotonic()]
        seconds = {stage: after - before for stage, before, after in zip(begun, moments, moments[1:], strict=False)}
        folder = project.folder
        return cls(_lock(folder), (folder / "data/metrics.json").read_bytes(), _files(folder), seconds)

    @property
    def patience(self) -> float:
        """The seconds within which another run must end: it may share the machine with other tests."""
        return PATIENCE + 3 * sum(self.seconds.values())

    def differences(self, project: Project) -> Iterator[str]:
        """Everything in which `project`, whose DAG has finished, differs."""
        folder = project.folder
        if strays := _strays(folder):
            yield f"processes are left: {strays}"
        if _lock(folder) != self.lock:
            yield "dvc.lock differs"
        if (folder / "data/metrics.json").read_bytes() != self.metrics:
            yield "data/metrics.json differs"
        again = project.run("dvc", "repro")
        if "Running stage" in again.stdout:
            yield f"a repetition runs stages:\n{again.stdout}"
        left, missing = _files(folder) - self.files, self.files - _files(folder)
        if sum((folder / name).stat().st_size for name in self.litter(project)) > LITTER:
            yield f"DVC left much in its cache: {self.litter(project)}"
        if left - self.litter(project) or missing:
            yield f"files are left: {sorted(left)}; files are missing: {sorted(missing)}"
        if holders := _holders(folder):
            yield f"DVC's locks are held by {holders}"

    def litter(self, project: Project) -> set[str]:
        """What a killed DVC left in its cache: its test file for links, listings of folders."""
        return {name for name in _files(project.folder) - self.files if name.startswith(".dvc/")}


@dataclass
class Watch:
    """Polls the work store: a finished entry never changes, and no epoch is computed twice."""

    folder: Path
    entries: dict[Path, tuple[int, int]] = field(default_factory=dict)
    epochs: dict[Path, tuple[tuple[int, int], int]] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Compare the store with its previous state."""
        for path in self.folder.glob("data/.store/*/??/*"):
            if path.parts[-3] == "notes":
                continue
            try:
                state = path.stat()
                identity = state.st_ino, state.st_mtime_ns
                if path.parts[-3].endswith("-epoch"):
                    self._look_at_epoch(path, identity)
                elif self.entries.setdefault(path, identity) != identity:
                    self.wrongs.append(f"{path} was made again")
                    self.entries[path] = identity
            except FileNotFoundError:
                continue  # an epoch state that was replaced, or is no longer needed
        for path in [path for path in self.entries if not path.exists()]:
            self.wrongs.append(f"{path} is gone")
            del self.entries[path]

    def _look_at_epoch(self, path: Path, identity: tuple[int, int]) -> None:
        before, number = self.epochs.get(path, ((0, 0), 0))
        if identity == before:
            return
        with open(path, "rb") as file:  # a safetensors file: the header's length in 8 bytes, the header
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        now = len(json.loads(header["__metadata__"]["tavlad"])["curve"])
        if now <= number:
            self.wrongs.append(f"{path}: epoch {now} came after epoch {number}")
        self.epochs[path] = identity, now


def _lock(folder: Path) -> str:
    return (folder / "dvc.lock").read_text()


def _files(folder: Path) -> frozenset[str]:
    """The files in data/ and of DVC, without DVC's logs."""
    found = [path for top in ("data", ".dvc") for path in (folder / top).rglob("*") if path.is_file()]
    names = {str(path.relative_to(folder)) for path in found}
    return frozenset(name for name in names if not name.startswith(".dvc/tmp/"))


def _holders(folder: Path) -> set[int]:
    """The live processes that hold DVC's locks; DVC itself ignores locks of processes that have ended."""
    locks = json.loads((folder / ".dvc" / "tmp" / "rwlock").read_text())
    notes = [note for reading in locks.get("read", {}).values() for note in reading]
    notes += locks.get("write", {}).values()
    return {note["pid"] for note in notes if psutil.pid_exists(note["pid"])}


def _strays(folder: Path) -> list[str]:
    """The processes still running in `folder`, after waiting for those that a killed DVC left behind."""
    end = time.monotonic() + PATIENCE
    while found := [
        process.info["cmdline"]
        for process in psutil.process_iter(["cwd", "cmdline"])
        if (process.info["cwd"] or "").startswith(str(folder))
    ]:
        if time.monotonic() > end:
            break
        time.sleep(0.2)
    return [" ".join(words or ["a process that has ended"]) for words in found]

"""The work store: every costly result, whole or absent, under the digest of its recipe (DESIGN, promise 1).

DVC deletes a stage's outputs before it runs the stage again; what lies here survives that, so a killed run computes
only what is missing. Deleting the store is always safe.
"""

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tavlad import console

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def publish(entry: Path, output: Path) -> None:
    """Make `output` (a file or a folder) the same bytes as `entry`: a hard link, or a copy where links fail."""
    if entry.is_dir():
        for file in _files(entry):
            publish(file, output / file.relative_to(entry))
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    try:
        os.link(entry, output)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        shutil.copy(entry, output)


def fresh(folder: Path) -> Path:
    """An empty output folder, as DVC leaves it before a stage runs."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


class Store:
    """Finished results at `<root>/<stage>/<key[:2]>/<key>`, each a read-only file or folder."""

    def __init__(self, root: Path):
        self.root = root
        for name in ("tmp", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)
        with self.lock("tmp"):
            self._sweep()
            self._scratch = Path(tempfile.mkdtemp(dir=root / "tmp"))
            self._held = os.open(self._scratch, os.O_RDONLY)
            fcntl.flock(self._held, fcntl.LOCK_EX)

    @property
    def scratch(self) -> Path:
        """A folder beside the entries for helper processes to write in; swept after this process has died."""
        return self._scratch

    @classmethod
    def open(cls) -> "Store":
        """The store of this project: $TAVLAD_STORE, else data/.store below $DVC_ROOT or the current folder."""
        root = os.environ.get("TAVLAD_STORE") or Path(os.environ.get("DVC_ROOT", "."), "data", ".store")
        return cls(Path(root).absolute())

    def find(self, stage: str, key: str) -> Path | None:
        """The finished entry, or None."""
        path = self._path(stage, key)
        return path if path.exists() else None

    def get(self, stage: str, key: str) -> Path:
        """The finished entry that must be there; KeyError otherwise."""
        path = self.find(stage, key)
        if path is None:
            raise KeyError(
                f"the work store has no {stage}/{key}: it was deleted while a stage was running; run it again"
            )
        return path

    @contextmanager
    def create(self, stage: str, key: str) -> Iterator[Path]:
        """A path to write a file or folder at; the entry appears, whole, when the block ends without an error."""
        aside = Path(tempfile.mkdtemp(dir=self._scratch), "entry")
        try:
            yield aside
            for file in _files(aside):
                _seal(file)
            target = self._path(stage, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            if aside.is_file() or not target.exists():
                os.replace(aside, target)
        finally:
            shutil.rmtree(aside.parent)

    def discard(self, stage: str, key: str) -> None:
        """Remove a file entry that is of no more use (the epoch state of a finished training)."""
        self._path(stage, key).unlink(missing_ok=True)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold `name` alone among all processes, waiting aloud; the kernel frees it when its holder dies."""
        with open(self.root / "locks" / name, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                console.warn(f"another process is running '{name}' on this store; waiting for it to end")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def record(self, stage: str, facts: Mapping[str, Any]) -> None:
        """Append a line of measurements (seconds, rates) to timings.jsonl: no DVC output may hold them."""
        with open(self.root / "timings.jsonl", "a") as file:
            file.write(json.dumps({"stage": stage, **facts}) + "\n")

    def size(self) -> dict[str, tuple[int, int]]:
        """Entries and bytes of each stage."""
        sizes: dict[str, tuple[int, int]] = {}
        for stage, entry in self._entries():
            entries, weight = sizes.get(stage, (0, 0))
            sizes[stage] = entries + 1, weight + sum(file.stat().st_size for file in _files(entry))
        return sizes

    def prune(self, everything: bool) -> tuple[int, int]:
        """Remove the entries that nothing else holds by a hard link, or all; how many they were, and their bytes."""
        removed, weight = 0, 0
        for _, entry in self._entries():
            files = _files(entry)
            if everything or all(file.stat().st_nlink == 1 for file in files):
                removed, weight = removed + 1, weight + sum(file.stat().st_size for file in files)
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return removed, weight

    def _entries(self) -> list[tuple[str, Path]]:
        stages = [path for path in self.root.iterdir() if path.is_dir() and path.name not in ("tmp", "locks")]
        return [
            (stage.name, entry) for stage in sorted(stages) for shelf in stage.iterdir() for entry in shelf.iterdir()
        ]

    def _path(self, stage: str, key: str) -> Path:
        return self.root / stage / key[:2] / key

    def _sweep(self) -> None:
        """Remove what killed processes left unfinished: their scratch folders are no longer locked."""
        for folder in (self.root / "tmp").iterdir():
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            except BlockingIOError:
                continue  # its owner is alive
            finally:
                os.close(descriptor)


def _files(entry: Path) -> list[Path]:
    return [entry] if entry.is_file() else sorted(path for path in entry.rglob("*") if path.is_file())


def _seal(file: Path) -> None:
    """Bring the bytes to the disk and take the write permission away: links of it lie in DVC's cache."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
    file.chmod(0o444)

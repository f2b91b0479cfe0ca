"""The work store: every costly result, whole or absent, under the digest of its recipe (DESIGN, promise 1).

DVC deletes a stage's outputs before it runs the stage again; what lies here survives that, so a killed run computes
only what is missing. Deleting the store is always safe. Notes of the entries' sizes and digests lie beside them: one
that is no longer what was written is not used, but set aside and made again.
"""

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tavlad import console, integrity
from tavlad.integrity import files_of

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)
HOUSEKEEPING = ("tmp", "locks", "notes")
CHECKSUMS = ("decode", "extract")  # many large files with checksums of their own: hashed only if they were touched


def publish(entry: Path, output: Path) -> None:
    """Make `output` (a file or a folder) the same bytes as `entry`: a hard link, or a copy where links fail."""
    if entry.is_dir():
        for file in files_of(entry):
            publish(file, output / file.relative_to(entry))
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    try:
        os.link(entry, output)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        try:
            shutil.copy(entry, output)
        except OSError:
            output.unlink(missing_ok=True)
            raise


def fresh(folder: Path) -> Path:
    """An empty output folder, as DVC leaves it before a stage runs."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


class Store:
    """Finished results at `<root>/<stage>/<key[:2]>/<key>`, each a read-only file or folder."""

    def __init__(self, root: Path):
        self.root, self._scratch = root, root / "tmp"
        try:
            for name in HOUSEKEEPING:
                (root / name).mkdir(parents=True, exist_ok=True)
            with self.lock("tmp"):
                self._sweep()
                self._scratch = Path(tempfile.mkdtemp(dir=root / "tmp"))
                self._held = os.open(self._scratch, os.O_RDONLY)
                fcntl.flock(self._held, fcntl.LOCK_EX)
        except OSError as error:
            raise click.ClickException(f"no work store: {error}. $TAVLAD_STORE puts it elsewhere.") from error

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
        """The finished entry, or None; one that is not what was written is set aside, with a warning."""
        path = self._path(stage, key)
        if not path.exists():
            return None
        if reason := self.fault(stage, key, thorough=stage not in CHECKSUMS):
            self.condemn(stage, key, reason)
            return None
        return path

    def find_made(self, stage: str, key: str, recipe_of: Callable[[Path], str]) -> Path | None:
        """`find`, for files that say what made them: one of another recipe, or that cannot be read, is set aside."""
        entry = self.find(stage, key)
        if entry is None:
            return None
        try:
            recipe = recipe_of(entry)
            reason = f"{entry} was made by another recipe, {recipe}"
        except ValueError as error:
            recipe, reason = "", str(error)
        if recipe == key:
            return entry
        self.condemn(stage, key, reason)
        return None

    def get(self, stage: str, key: str) -> Path:
        """The finished entry that must be there; ClickException otherwise."""
        path = self.find(stage, key)
        if path is None:
            lost = f"the work store {self.root} has no {stage}/{key}"
            raise click.ClickException(f"{lost}: it was deleted while a stage was running. Run the stage again.")
        return path

    @contextmanager
    def create(self, stage: str, key: str) -> Iterator[Path]:
        """A path to write a file or folder at; the entry appears, whole, when the block ends without an error."""
        aside = Path(tempfile.mkdtemp(dir=self._scratch), "entry")
        try:
            with integrity.disk_named(self.root, self._scratch):
                integrity.require_room(self.root)
                yield aside
                self._place(aside, stage, key)
        finally:
            shutil.rmtree(aside.parent, ignore_errors=True)

    def discard(self, stage: str, key: str) -> None:
        """Remove an entry that is of no more use (the epoch state of a finished training)."""
        path = self._path(stage, key)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self._note(stage, key).unlink(missing_ok=True)

    def fault(self, stage: str, key: str, thorough: bool) -> str | None:
        """How an entry differs from its note, if it has one; files that nobody touched are read only if `thorough`."""
        entry, noted = self._path(stage, key), self.noted(stage, key)
        reasons = [integrity.difference(entry, described, thorough) for described in noted]
        return reasons[-1] if reasons and None not in reasons else None

    def noted(self, stage: str, key: str) -> list[integrity.Described]:
        """What an entry may be; empty for one that is older than notes are."""
        return integrity.read_note(self._note(stage, key))

    def condemn(self, stage: str, key: str, reason: str) -> None:
        """Set a damaged entry aside, as one of the stage "damaged", so that it is made again; say so."""
        entry = self._path(stage, key)
        (self.root / "damaged").mkdir(exist_ok=True)
        os.replace(entry, Path(tempfile.mkdtemp(dir=self.root / "damaged"), key))
        self._note(stage, key).unlink(missing_ok=True)
        console.warn(f"{stage}: damaged, so made again: {reason}. `tavlad store verify` removes other links of it")

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold `name` alone among all processes, waiting aloud; the kernel frees it when its holder dies."""
        with integrity.disk_named(self.root, self._scratch), open(self.root / "locks" / name, "w") as file:
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
        for stage, entry in self.entries():
            entries, weight = sizes.get(stage, (0, 0))
            sizes[stage] = entries + 1, weight + sum(file.stat().st_size for file in files_of(entry))
        return sizes

    def entries(self) -> list[tuple[str, Path]]:
        """The stage and the path of every entry."""
        stages = [path for path in self.root.iterdir() if path.is_dir() and path.name not in HOUSEKEEPING]
        return [
            (stage.name, entry) for stage in sorted(stages) for shelf in stage.iterdir() for entry in shelf.iterdir()
        ]

    def _path(self, stage: str, key: str) -> Path:
        return self.root / stage / key[:2] / key

    def _note(self, stage: str, key: str) -> Path:
        return self.root / "notes" / stage / key[:2] / f"{key}.json"

    def _place(self, aside: Path, stage: str, key: str) -> None:
        """Make `aside` the entry, for good; its note comes first, so that no entry is without one."""
        described = integrity.seal(aside)
        target, note = self._path(stage, key), self._note(stage, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if aside.is_file() or not target.exists():
            # a kill before the last line leaves the former entry (an epoch state), so its note is kept as well
            former = self.noted(stage, key)[-1:] if target.exists() else []
            integrity.write_note(note, aside.with_name("note"), [*former, described])
            os.replace(aside, target)

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

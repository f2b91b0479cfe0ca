"""The work store: every costly result, complete or absent, under the digest of its recipe.

DVC deletes a stage's outputs before it runs the stage again. Entries of the store survive that, so a run after a kill
computes only what is missing. Deleting the store is always safe. A note beside each entry records its size, digest and
machine when it was written; an entry that no longer matches its note is set aside and made again.
"""

import functools
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tavlad import console
from tavlad.errors import TavladError
from tavlad.store import integrity, locking
from tavlad.store.integrity import files_of

HOUSEKEEPING = ("tmp", "locks", "notes", "digests")  # digests: of videos, cached by stage index
UNKNOWN: Mapping[str, str] = MappingProxyType({})
CHECKSUMS = ("decode", "extract")  # many large files with checksums of their own: hashed only if touched


class Store:
    """Finished results at `<root>/<stage>/<key[:2]>/<key>`, each a read-only file or folder."""

    def __init__(self, root: Path):
        self.root, self.scratch = root, root / "tmp"
        try:
            for name in HOUSEKEEPING:
                (root / name).mkdir(parents=True, exist_ok=True)
            with self.lock("tmp"):
                locking.sweep_locks(root / "locks")
                locking.sweep_folders(root / "tmp")
                self.scratch, self._held = locking.own_folder(root / "tmp")
        except OSError as error:
            raise TavladError(f"no work store: {error}. Set $TAVLAD_STORE to put it elsewhere.") from error

    @classmethod
    def open(cls) -> "Store":
        """The store of this project: $TAVLAD_STORE, else data/.store in $DVC_ROOT or in the current folder."""
        root = os.environ.get("TAVLAD_STORE") or Path(os.environ.get("DVC_ROOT", "."), "data", ".store")
        return cls(Path(root).absolute())

    def find(self, stage: str, key: str) -> Path | None:
        """The finished entry, or None; a damaged entry is set aside with a warning."""
        path = self._path(stage, key)
        if not path.exists():
            return None
        if reason := self.fault(stage, key, thorough=stage not in CHECKSUMS):
            self.set_aside(stage, key, reason)
            return None
        return path

    def find_made(self, stage: str, key: str, key_of: Callable[[Path], str]) -> Path | None:
        """`find` for files that store their own key: a file with another key, or a damaged one, is set aside."""
        entry = self.find(stage, key)
        if entry is None:
            return None
        try:
            recipe = key_of(entry)
            reason = f"{entry} was made with another recipe, {recipe}"
        except ValueError as error:
            recipe, reason = "", str(error)
        if recipe == key:
            return entry
        self.set_aside(stage, key, reason)
        return None

    def get(self, stage: str, key: str) -> Path:
        """The finished entry; TavladError if there is none."""
        path = self.find(stage, key)
        if path is None:
            lost = f"the work store {self.root} has no {stage}/{key}"
            raise TavladError(f"{lost}: it was deleted while a stage was running. Run the stage again.")
        return path

    def discard(self, stage: str, key: str) -> None:
        """Remove an entry that is no longer needed, if it exists."""
        path = self._path(stage, key)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self._note(stage, key).unlink(missing_ok=True)

    def fault(self, stage: str, key: str, thorough: bool) -> str | None:
        """How an entry differs from its note, or None; unless `thorough`, files with unchanged times are not read."""
        entry, noted = self._path(stage, key), self.noted(stage, key)
        reasons = [integrity.difference(entry, described, thorough) for described in noted]
        return reasons[-1] if reasons and None not in reasons else None

    def noted(self, stage: str, key: str) -> list[integrity.Described]:
        """The descriptions in an entry's note, of which one must match; empty without a note."""
        return integrity.read_note(self._note(stage, key))

    def set_aside(self, stage: str, key: str, reason: str) -> None:
        """Move a damaged entry to the stage "damaged", so that it is made again, and warn."""
        entry = self._path(stage, key)
        (self.root / "damaged").mkdir(exist_ok=True)
        os.replace(entry, Path(tempfile.mkdtemp(dir=self.root / "damaged"), key))
        self._note(stage, key).unlink(missing_ok=True)
        console.warn(f"{stage}: damaged, will be made again: {reason}. `tavlad doctor store` removes all links to it")

    @contextmanager
    def lock(self, name: str, label: str = "") -> Iterator[None]:
        """Hold the lock `name` among the processes of this machine; print that `label` waits if another holds it."""

        def waiting() -> None:
            console.warn(f"another process is running '{label or name}' on this store; waiting for it to finish")

        with (
            integrity.explain_disk_errors(self.root, self.scratch),
            locking.locked(self.root / "locks" / name, waiting),
        ):
            yield

    def output(self, label: str, path: Path) -> AbstractContextManager[None]:
        """Lock the output `path` of stage `label`: a stage that outlived a killed DVC may still be writing to it."""
        place = hashlib.sha256(str(path.absolute()).encode(errors="surrogateescape")).hexdigest()
        return self.lock(f"output-{place}", label)

    @contextmanager
    def create(self, stage: str, key: str, how: Mapping[str, str] = UNKNOWN) -> Iterator[Path]:
        """A path to write a file or folder to, which becomes the entry when the block ends without an error.

        Called only by tavlad.store.making, which knows what a key must contain. `how` goes into the entry's note.
        """
        with integrity.explain_disk_errors(self.root, self.scratch):
            aside = self.aside()
            try:
                yield aside
                self.finish(aside, stage, key, how)
            finally:
                shutil.rmtree(aside.parent, ignore_errors=True)

    def aside(self) -> Path:
        """An unused path in this process's scratch folder; OSError if the disk is nearly full."""
        integrity.require_room(self.root)
        return Path(tempfile.mkdtemp(dir=self.scratch), "entry")

    def finish(self, aside: Path, stage: str, key: str, how: Mapping[str, str]) -> None:
        """Move `aside` to its final place; the note is written first, so that no entry is without one."""
        described = integrity.seal(aside)
        target, note = self._path(stage, key), self._note(stage, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if aside.is_file() or not target.exists():
            # a kill before the rename leaves the former entry (an epoch state), so its description is kept as well
            former = self.noted(stage, key)[-1:] if target.exists() else []
            facts = {"host": locking.host(), "processor": processor(), **how}
            integrity.write_note(note, aside.with_name("note"), [*former, described], facts)
            try:
                os.replace(aside, target)
            except OSError:
                if not target.is_dir():  # else another machine, which our locks do not stop, was faster
                    raise

    def record(self, stage: str, facts: Mapping[str, Any]) -> None:
        """Append measurements (seconds, rates) to timings.jsonl, because DVC outputs must not contain them."""
        with open(self.root / "timings.jsonl", "a") as file:
            file.write(json.dumps({"stage": stage, **facts}) + "\n")

    def size(self) -> dict[str, tuple[int, int]]:
        """Number of entries and bytes of each stage."""
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


@functools.cache
def processor() -> str:
    """The model of this machine's processor."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()

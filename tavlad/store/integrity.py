"""Integrity of store entries and videos, and readable errors for disk failures."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time_ns
from typing import Any

from tavlad.errors import TavladError
from tavlad.store.recipes import file_digest

Described = dict[str, tuple[int, int, str]]  # for each file of an entry: bytes, modification time in ns, SHA-256

REFUSALS = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS))
TROUBLE = (errno.EIO, errno.ESTALE, errno.ENOLCK, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT)  # not a file's fault
SETTLED = 10 * 10**9  # ns; file systems' clocks tick every 2 s at worst, and a server's clock may lag behind
RESERVE = 64 << 20  # bytes kept free on the disk: HDF5 may crash a process that writes to a full one


def files_of(entry: Path) -> list[Path]:
    """The file `entry`, or all files in the folder `entry`, at any depth."""
    return [entry] if entry.is_file() else sorted(path for path in entry.rglob("*") if path.is_file())


def seal(entry: Path) -> Described:
    """Sync an entry to disk and make it read-only, because DVC's cache links to the same files.

    Returns the description of each file by its relative path ("." for an entry that is a single file).
    """
    described: Described = {}
    for file in files_of(entry):
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())
        file.chmod(0o444)
        state = file.stat()
        described[str(file.relative_to(entry))] = state.st_size, state.st_mtime_ns, file_digest(file)
    return described


def difference(entry: Path, described: Described, thorough: bool) -> str | None:
    """How `entry` differs from its description, or None; unless `thorough`, unchanged times mean unchanged bytes."""
    names = {str(file.relative_to(entry)) for file in files_of(entry)}
    if unmatched := sorted(names ^ set(described)):
        return f"{entry / unmatched[0]} is {'not part of the entry' if unmatched[0] in names else 'missing'}"
    for name, (size, time, digest) in described.items():
        file, state = entry / name, (entry / name).stat()
        if state.st_size != size:
            return f"{file} has {state.st_size} bytes, not {size}"
        # another time only means that the file was touched: clocks may be wrong
        if (thorough or state.st_mtime_ns != time) and file_digest(file) != digest:
            return f"{file} has changed since it was written"
    return None


def read_note(note: Path) -> list[Described]:
    """The descriptions of an entry, of which one must match; empty if there is no readable note."""
    try:
        found: list[Described] = json.loads(note.read_text())["files"]
    except (OSError, ValueError, TypeError, KeyError):  # a note truncated by a power failure is no loss
        return []
    return found


def write_note(note: Path, aside: Path, described: list[Described], facts: Mapping[str, str]) -> None:
    """Replace `note` atomically through the temporary file `aside`; `facts` say where and how the entry was made."""
    note.parent.mkdir(parents=True, exist_ok=True)
    aside.write_text(json.dumps({"files": described, "made": dict(facts)}))
    os.replace(aside, note)


def require_room(folder: Path) -> None:
    """Raise OSError (ENOSPC) if the disk of `folder` is nearly full."""
    if shutil.disk_usage(folder).free < RESERVE:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({RESERVE >> 20} MB are kept free)")


def raise_if_disk_failed(store: Path, scratch: Path, reason: str) -> None:
    """Raise a TavladError if `reason` shows that the disk is at fault, or if `store` has been deleted."""
    if not scratch.is_dir():
        raise TavladError(f"the work store {store} was deleted during the run ({reason}). Run the stage again.")
    if any(refusal in reason for refusal in REFUSALS):
        place = f"The work store {store} has {shutil.disk_usage(store).free >> 20} MB left"
        advice = "Free some space or make the folder writable, then run the stage again: finished work is kept"
        raise TavladError(f"cannot write: {reason}. {place}. {advice}.")


@contextmanager
def explain_disk_errors(store: Path, scratch: Path) -> Iterator[None]:
    """Turn disk errors, whichever library raised them, into a TavladError that names the disk and the next step."""
    try:
        yield
    except TavladError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise_if_disk_failed(store, scratch, reason)
        if isinstance(error, OSError) and error.errno in TROUBLE:
            advice = "The disk or its machine failed; run the stage again: finished work is kept"
            raise TavladError(f"{reason}. {advice}.") from error
        if isinstance(error, PermissionError):
            advice = "Change the permissions, then run the stage again: finished work is kept"
            raise TavladError(f"{reason}. {advice}.") from error
        raise


class Digests:
    """Digests of the files below `root`, cached in `folder` together with each file's stat.

    A file changed less than `SETTLED` before it was read is not cached: a second change within one tick of the file
    system's clock would leave its stat unchanged.
    """

    def __init__(self, root: Path, folder: Path):
        name = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()
        self.root, self.file = root, folder / name
        self.known = self._load()
        self.new: dict[str, list[Any]] = {}

    def of(self, path: str) -> str:
        """The SHA-256 of the file at `path`, read only if it may have changed; raises OSError."""
        file, now = self.root / path, time_ns()
        before = _state(file)
        *state, digest = self.known.get(path, [""])
        if state != before:
            digest = file_digest(file)
            if _state(file) == before and max(before[-2:]) < now - SETTLED:
                self.new[path] = [*before, digest]
        return str(digest)

    def save(self, aside: Path) -> None:
        """Cache the new digests atomically through the temporary file `aside`; of two concurrent saves, one wins."""
        if self.new:
            body = json.dumps(self.known | self.new, sort_keys=True).encode()
            aside.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            os.replace(aside, self.file)

    def _load(self) -> dict[str, list[Any]]:
        """The cached digests by path; empty if the file is missing or damaged."""
        try:
            checksum, _, body = self.file.read_bytes().partition(b"\n")
        except OSError:
            return {}
        known: dict[str, list[Any]] = json.loads(body) if hashlib.sha256(body).hexdigest().encode() == checksum else {}
        return known


def _state(file: Path) -> list[int]:
    """The stat values that change with a file: device, inode, bytes, mtime and ctime in ns."""
    with open(file, "rb", buffering=0) as opened:  # opening a file makes network file systems refresh its stat
        state = os.fstat(opened.fileno())
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]

"""Whether entries of the store are still what was written, and videos what was read; the disk's errors in words."""

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

Described = dict[str, tuple[int, int, str]]  # of each file of an entry: bytes, time of change in ns, SHA-256

REFUSALS = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS))
TROUBLE = (errno.EIO, errno.ESTALE, errno.ENOLCK, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT)  # no file's own fault
SETTLED = 10 * 10**9  # ns; a tick of a file system's clock takes up to 2 s, and a server's clock may be late
RESERVE = 64 << 20  # bytes of the disk that stay free: HDF5 may crash a process that writes to a full one


def files_of(entry: Path) -> list[Path]:
    """The file `entry`, or all files below the folder."""
    return [entry] if entry.is_file() else sorted(path for path in entry.rglob("*") if path.is_file())


def seal(entry: Path) -> Described:
    """Bring its bytes to the disk and take the write permission away, for links of it lie in DVC's cache.

    What the entry then is, by the names of its files ("." for an entry that is a file).
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
    """How `entry` differs from what it was; files whose time is unchanged are read only if `thorough`."""
    names = {str(file.relative_to(entry)) for file in files_of(entry)}
    if odd := sorted(names ^ set(described)):
        return f"{entry / odd[0]} is {'there, and was not written' if odd[0] in names else 'missing'}"
    for name, (size, time, digest) in described.items():
        file, state = entry / name, (entry / name).stat()
        if state.st_size != size:
            return f"{file} has {state.st_size} bytes, not {size}"
        # a time that differs says no more than that the file was touched: clocks may be wrong
        if (thorough or state.st_mtime_ns != time) and file_digest(file) != digest:
            return f"{file} has other bytes than were written"
    return None


def read_note(note: Path) -> list[Described]:
    """What an entry may be, any of these; nothing is known of an entry that is older than notes are."""
    try:
        found: list[Described] = json.loads(note.read_text())["files"]
    except (OSError, ValueError, TypeError, KeyError):  # one cut off by a loss of power is no loss
        return []
    return found


def write_note(note: Path, aside: Path, described: list[Described], facts: Mapping[str, str]) -> None:
    """Replace `note` by way of the new file `aside`; `facts` say on what machine the entry was made, and how."""
    note.parent.mkdir(parents=True, exist_ok=True)
    aside.write_text(json.dumps({"files": described, "made": dict(facts)}))
    os.replace(aside, note)


def require_room(folder: Path) -> None:
    """OSError (ENOSPC) if the disk that `folder` is on is nearly full."""
    if shutil.disk_usage(folder).free < RESERVE:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({RESERVE >> 20} MB are kept free)")


def blame(store: Path, scratch: Path, reason: str) -> None:
    """Raise a TavladError if `reason` shows that the disk is at fault, or if `store` was deleted meanwhile."""
    if not scratch.is_dir():
        raise TavladError(f"the work store {store} was deleted meanwhile ({reason}). Run the stage again.")
    if any(refusal in reason for refusal in REFUSALS):
        place = f"The work store {store} has {shutil.disk_usage(store).free >> 20} MB left"
        advice = "make room, or make the place writable, and run the stage again: all that is finished is kept"
        raise TavladError(f"cannot write: {reason}. {place}; {advice}.")


@contextmanager
def disk_named(store: Path, scratch: Path) -> Iterator[None]:
    """Tell an error of the disk by `blame`, whichever library met it: each has an exception of its own."""
    try:
        yield
    except TavladError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        blame(store, scratch, reason)
        if isinstance(error, OSError) and error.errno in TROUBLE:
            advice = "The disk, or the machine that it is on, failed; run the stage again: all that is finished is kept"
            raise TavladError(f"{reason}. {advice}.") from error
        if isinstance(error, PermissionError):
            advice = "Change the permissions, and run the stage again: all that is finished is kept"
            raise TavladError(f"{reason}. {advice}.") from error
        raise


class Digests:
    """The digests of the files below `root`, remembered in `folder`, each beside what the system says of its file.

    A file that was changed less than `SETTLED` before it was read is not remembered: if it is changed once more, within
    a tick of the file system's clock, the system says the same of it as before.
    """

    def __init__(self, root: Path, folder: Path):
        name = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()
        self.root, self.file = root, folder / name
        self.known = self._load()
        self.new: dict[str, list[Any]] = {}

    def of(self, path: str) -> str:
        """The SHA-256 of the file at `path`, which is read if it may have changed; OSError."""
        file, now = self.root / path, time_ns()
        before = _state(file)
        *state, digest = self.known.get(path, [""])
        if state != before:
            digest = file_digest(file)
            if _state(file) == before and max(before[-2:]) < now - SETTLED:
                self.new[path] = [*before, digest]
        return str(digest)

    def save(self, aside: Path) -> None:
        """Remember what is new, by way of the new file `aside`; of two processes that save at once, one is whole."""
        if self.new:
            body = json.dumps(self.known | self.new, sort_keys=True).encode()
            aside.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            os.replace(aside, self.file)

    def _load(self) -> dict[str, list[Any]]:
        """What is remembered by path; nothing if the file is not whole."""
        try:
            checksum, _, body = self.file.read_bytes().partition(b"\n")
        except OSError:
            return {}
        known: dict[str, list[Any]] = json.loads(body) if hashlib.sha256(body).hexdigest().encode() == checksum else {}
        return known


def _state(file: Path) -> list[int]:
    """What is another once a file has changed: device, inode, bytes; times, in ns, of its bytes and of the rest."""
    with open(file, "rb", buffering=0) as opened:  # only then is a server asked, and not what was known of it before
        state = os.fstat(opened.fileno())
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]

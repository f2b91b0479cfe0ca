"""Whether entries of the work store are still what was written, and errors of the disk in plain words."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tavlad.errors import TavladError

Described = dict[str, tuple[int, int, str]]  # of each file of an entry: bytes, time of change in ns, SHA-256

REFUSALS = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS))
TROUBLE = (errno.EIO, errno.ESTALE, errno.ENOLCK, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT)  # no file's own fault
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
        described[str(file.relative_to(entry))] = state.st_size, state.st_mtime_ns, _sha256(file)
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
        if (thorough or state.st_mtime_ns != time) and _sha256(file) != digest:
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


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()

"""Locks between the processes of one machine, and scratch folders that are removed once their owner has died."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tavlad.errors import TavladError

MACHINE_ID = Path("/etc/machine-id")
FORGOTTEN = 7 * 24 * 3600.0  # seconds after which another machine's scratch folder may be removed


def host() -> str:
    """The name of this machine, safe as a file name, and an id, because many machines are called localhost."""
    identity = MACHINE_ID.read_text() if MACHINE_ID.is_file() else ""
    name = re.sub(r"[^A-Za-z0-9.-]", "_", platform.node())
    return f"{name}-{hashlib.sha256(f'{platform.node()} {identity}'.encode()).hexdigest()[:8]}"


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold an exclusive lock on `file`; call `waiting` if another process holds it. Released when the holder dies."""
    while True:
        with open(file, "w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(held, fcntl.LOCK_EX)
            if _is(file, held.fileno()):  # else it was removed between opening and locking
                try:
                    yield
                finally:
                    if _is(file, held.fileno()):
                        file.unlink()  # waiting processes notice and try again
                return


def sweep_locks(folder: Path) -> None:
    """Remove lock files left by killed processes, which nobody holds."""
    for file in folder.iterdir():
        with open(file, "w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _is(file, held.fileno()):
                file.unlink()


def own_folder(folder: Path) -> tuple[Path, int]:
    """Create a folder in `folder`, named after this machine; return it and the open descriptor that holds its lock."""
    own = Path(tempfile.mkdtemp(prefix=f"{host()}@", dir=folder))
    descriptor = os.open(own, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return own, descriptor


def sweep_folders(folder: Path) -> None:
    """Remove the folders of killed processes of this machine, which are no longer locked.

    Folders of other machines are left alone: if the file system's locks are local, they look unlocked from here.
    """
    for own in folder.glob(f"{host()}@*"):
        descriptor = os.open(own, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(own)
        except BlockingIOError:
            continue  # the owner is alive
        finally:
            os.close(descriptor)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process below $TMPDIR, which goes with the block; those of killed processes go first."""
    shared = Path(tempfile.gettempdir(), f"tavlad-{os.getuid()}")
    shared.mkdir(mode=0o700, exist_ok=True)
    if shared.lstat().st_uid != os.getuid():
        raise TavladError(f"{shared} belongs to another user: set TMPDIR to a folder of your own.")
    with locked(shared / "starting", lambda: None):  # or one would sweep what another has not yet locked
        sweep_folders(shared)
        folder, lock = own_folder(shared)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_foreign_folders(folder: Path) -> None:
    """Remove the folders of other machines in which nothing has changed for a week."""
    for path in folder.iterdir():
        if not path.name.startswith(f"{host()}@") and time.time() - _changed(path) > FORGOTTEN:
            shutil.rmtree(path, ignore_errors=True)


def _changed(folder: Path) -> float:
    """When anything in `folder` was last changed; now, if a file disappears meanwhile."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return time.time()


def _is(file: Path, descriptor: int) -> bool:
    """Whether `file` is still the file that is open as `descriptor`."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

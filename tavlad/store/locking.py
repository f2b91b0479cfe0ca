"""Who waits for whom: locks among the processes of one machine, and folders that are swept when their owner is dead."""

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

MACHINE_ID = Path("/etc/machine-id")
FORGOTTEN = 7 * 24 * 3600.0  # seconds after which the scratch of another machine may be removed


def host() -> str:
    """The name of this machine, of letters that a file name may have; many are called localhost, so with an id."""
    identity = MACHINE_ID.read_text() if MACHINE_ID.is_file() else ""
    name = re.sub(r"[^A-Za-z0-9.-]", "_", platform.node())
    return f"{name}-{hashlib.sha256(f'{platform.node()} {identity}'.encode()).hexdigest()[:8]}"


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold `file` alone among all processes; `waiting` is called if another holds it. Freed when its holder dies."""
    while True:
        with open(file, "w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(held, fcntl.LOCK_EX)
            if _is(file, held.fileno()):  # else it was removed between the two
                try:
                    yield
                finally:
                    if _is(file, held.fileno()):
                        file.unlink()  # those who wait for it see that it is gone, and begin again
                return


def sweep_locks(folder: Path) -> None:
    """Remove the lock files that killed processes left: nobody holds them."""
    for file in folder.iterdir():
        with open(file, "w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _is(file, held.fileno()):
                file.unlink()


def own_folder(folder: Path) -> tuple[Path, int]:
    """A new folder below `folder`, named by this machine, and the open descriptor that holds its lock."""
    own = Path(tempfile.mkdtemp(prefix=f"{host()}@", dir=folder))
    descriptor = os.open(own, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return own, descriptor


def sweep_folders(folder: Path) -> None:
    """Remove what killed processes of this machine left unfinished: their folders are no longer locked.

    Where a lock binds one machine alone, those of other machines look as if nobody held them.
    """
    for own in folder.glob(f"{host()}@*"):
        descriptor = os.open(own, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(own)
        except BlockingIOError:
            continue  # its owner is alive
        finally:
            os.close(descriptor)


def sweep_foreign_folders(folder: Path) -> None:
    """Remove the folders of other machines in which nothing has changed for a week."""
    for path in folder.iterdir():
        if not path.name.startswith(f"{host()}@") and time.time() - _changed(path) > FORGOTTEN:
            shutil.rmtree(path, ignore_errors=True)


def _changed(folder: Path) -> float:
    """When something in `folder` was last changed; now, if it is being changed."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return time.time()


def _is(file: Path, descriptor: int) -> bool:
    """Whether the path still leads to what is open."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

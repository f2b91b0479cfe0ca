"""Helpers for tests of the disk: videos, a stage in a folder, mounted file systems, damage."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pipeline.test_decode import ROOT, configure, film, index
from tests.stages import own_code

__all__ = ["configure", "film", "index"]


def decode(folder: Path, store: Path, output: Path | str = "frames", bytes_a_file: int = 0) -> tuple[int, str, str]:
    """Run the stage on raw/ and clips.csv of `folder`, optionally with a limit on file sizes, as with a quota."""

    def limit() -> None:
        if bytes_a_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAVLAD_STORE": str(store), "COLUMNS": "200"}
    command = [sys.executable, "-m", "pipeline.decode", own_code("decode", folder), "clips.csv", str(output)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, preexec_fn=limit)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """An in-memory file system at the new folder `place`; skips the test where mounting is not allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """A file that leaves so many bytes free on the file system `disk`."""
    state = os.statvfs(disk)
    filler = disk / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - leave)
    return filler


def damage(file: Path, change: Callable[[bytes], bytes], touched: bool = True) -> None:
    """Change a file in place, and thus all its links; the time stays, as with a faulty disk, unless `touched`."""
    before, content = file.stat(), file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(change(content))
    file.chmod(0o444)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + (10**9 if touched else 0)))


def flipped(content: bytes, place: int | None = None) -> bytes:
    """`content` with one bit flipped, in the middle or at `place`."""
    place = len(content) // 2 if place is None else place
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def inodes(store: Path) -> dict[str, int]:
    """The files of all entries except those set aside."""
    files = (path for path in store.rglob("*") if path.is_file())
    known = {str(path.relative_to(store)): path.stat().st_ino for path in files}
    return {name: inode for name, inode in known.items() if name.split("/")[0] in ("decode", "stage1", "stage1-epoch")}


def unfinished(store: Path) -> list[Path]:
    """The contents of the store's scratch folders."""
    return [path for path in (store / "tmp").rglob("*") if path.is_file()]

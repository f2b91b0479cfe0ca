"""HDF5 files on failing file systems: read without locks, and I/O errors are not mistaken for damage."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tavlad.store.hdf5 import created, opened_hdf5

ROOT = Path(__file__).parents[2]
NUMBERS, TOTAL = 1000, "499500"
# A file system without locks, where all reads after the first $READS fail; it affects files below $REFUSES.
REFUSING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return !strncmp(path, getenv("REFUSES"), strlen(getenv("REFUSES")));
}

int flock(int fd, int operation) {
    if (below(fd)) { errno = ENOLCK; return -1; }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(fd, operation);
}

ssize_t pread64(int fd, void *buffer, size_t size, off_t offset) {
    static int reads;
    if (below(fd) && reads++ >= atoi(getenv("READS"))) { errno = ESTALE; return -1; }
    return ((ssize_t (*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64"))(fd, buffer, size, offset);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset) { return pread64(fd, buffer, size, offset); }
"""
READ = """
import sys
from pathlib import Path
from tavlad.store.hdf5 import opened_hdf5
try:
    with opened_hdf5(Path(sys.argv[1])) as file:
        print(file["values"][()].sum())
except (OSError, ValueError) as error:
    print(type(error).__name__, getattr(error, "errno", None), error)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with created(tmp_path / "disk.h5") as file:
        file["values"] = np.arange(NUMBERS)
    return tmp_path / "disk.h5"


@pytest.fixture
def read(path: Path) -> Callable[[int], str]:
    """The outcome of reading `path` where nothing can be locked and only so many reads succeed."""
    source, library = path.with_name("refusing.c"), path.with_name("refusing.so")
    source.write_text(REFUSING)
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("this needs Linux (LD_PRELOAD) and a C compiler")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)

    def run(reads: int) -> str:
        refusal = {"LD_PRELOAD": str(library), "REFUSES": str(path), "READS": str(reads)}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **refusal}
        command = [sys.executable, "-c", READ, str(path)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    return run


def test_a_file_system_without_locks_can_be_read(read: Callable[[int], str]) -> None:
    assert read(30) == TOTAL


def test_a_failing_read_is_not_reported_as_damage(path: Path, read: Callable[[int], str]) -> None:
    outcomes = list(takewhile(lambda outcome: outcome != TOTAL, map(read, range(30))))
    refusal = f"OSError {errno.ESTALE} [Errno {errno.ESTALE}] {os.strerror(errno.ESTALE)}: '{path}'"
    assert outcomes == [refusal] * len(outcomes) and len(outcomes) > 4  # its head, its names, its values


def test_too_many_open_files_are_not_reported_as_damage(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match=r"disk\.h5") as refused, opened_hdf5(path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused.value.errno == errno.EMFILE and "damaged" not in str(refused.value)


def test_a_missing_file_is_reported_as_missing(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.h5"), opened_hdf5(path.with_name("no.h5")):
        pass


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_truncated_file_is_damaged(path: Path, size: int) -> None:
    os.truncate(path, size)
    with pytest.raises(ValueError, match=r"disk\.h5 cannot be read: .*`tavlad doctor store`"), opened_hdf5(path):
        pass


def test_a_readers_own_message_is_kept(path: Path) -> None:
    with pytest.raises(ValueError, match=r"disk\.h5 holds no frames$"), opened_hdf5(path) as file:
        assert isinstance(file["values"], h5py.Dataset)
        raise ValueError(f"{path} holds no frames")

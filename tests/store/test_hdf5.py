"""HDF5 files on disks that refuse: read without locks, and no refusal is taken for damage."""

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
# A file system without locks, on which the reads after the first $READS fail, for what lies below $REFUSES.
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
    """What comes of reading `path` where nothing can be locked, and only so many reads succeed."""
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


def test_a_disk_without_locks_is_read(read: Callable[[int], str]) -> None:
    assert read(30) == TOTAL


def test_whichever_read_fails_it_is_no_damage(path: Path, read: Callable[[int], str]) -> None:
    outcomes = list(takewhile(lambda outcome: outcome != TOTAL, map(read, range(30))))
    refusal = f"OSError {errno.ESTALE} [Errno {errno.ESTALE}] {os.strerror(errno.ESTALE)}: '{path}'"
    assert outcomes == [refusal] * len(outcomes) and len(outcomes) > 4  # its head, its names, its values


def test_too_many_open_files_are_no_damage(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match=r"disk\.h5") as refused, opened_hdf5(path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused.value.errno == errno.EMFILE and "damaged" not in str(refused.value)


def test_a_file_that_is_missing_is_told_as_such(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.h5"), opened_hdf5(path.with_name("no.h5")):
        pass


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_that_is_cut_off_is_damaged(path: Path, size: int) -> None:
    os.truncate(path, size)
    with pytest.raises(ValueError, match=r"disk\.h5 cannot be read: .*`tavlad doctor store`"), opened_hdf5(path):
        pass


def test_what_a_reader_finds_wrong_keeps_its_words(path: Path) -> None:
    with pytest.raises(ValueError, match=r"disk\.h5 holds no frames$"), opened_hdf5(path) as file:
        assert isinstance(file["values"], h5py.Dataset)
        raise ValueError(f"{path} holds no frames")

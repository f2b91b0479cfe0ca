"""HDF5 files: written in one piece, and read with errors that name the file and the next step."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

ADVICE = "if it is damaged, `tavlad doctor store` removes it with its links, and `dvc repro` makes it again"
REFUSED = re.compile(r"\berrno = (\d+)")  # of a read that failed while a name was looked up, h5py makes a KeyError


@contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """A file to fill, which lands at the new `path` when the block ends; the same contents give the same bytes."""
    image = io.BytesIO()  # where a disk or a quota ends, HDF5 crashes the process; Python says so
    # since HDF5 1.10 its headers and indices of chunks are under checksums
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        yield file
    with open(path, "xb") as written:
        written.write(image.getbuffer())


@contextmanager
def opened_hdf5(path: Path, *more: type[Exception]) -> Iterator[h5py.File]:
    """The file, open to be read; what is wrong in it, or is one of `more`, becomes a ValueError that names it, and what
    the system refuses an OSError that does."""
    wrong: tuple[type[Exception], ...] = (OSError, KeyError, RuntimeError, TypeError, ValueError, *more)
    try:
        with h5py.File(path, "r", locking=False) as file:  # nothing here is changed in place, and not every disk locks
            yield file
    except wrong as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        if refusal := _refusal(error):
            raise OSError(refusal, os.strerror(refusal), str(path)) from error
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}; {ADVICE}") from error


def _refusal(error: Exception) -> int:
    """The errno of what the system refused; 0 where it is the file's own bytes that are wrong."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = REFUSED.search(str(error))
    return int(found[1]) if found else 0

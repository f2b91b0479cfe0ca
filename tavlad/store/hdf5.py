"""HDF5 files: written in one go, and read with errors that name the file and the next step."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

ADVICE = "if it is damaged, `tavlad doctor store` removes it with its links, and `dvc repro` makes it again"
REFUSED = re.compile(r"\berrno = (\d+)")  # h5py raises KeyError, not OSError, if a read fails during a name lookup


@contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to fill; it is written to the new `path` when the block ends. Same contents give same bytes."""
    image = io.BytesIO()  # on a full disk or at a quota HDF5 crashes the process, while Python raises
    # since HDF5 1.10, headers and chunk indices have checksums
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        yield file
    with open(path, "xb") as written:
        written.write(image.getbuffer())


@contextmanager
def opened_hdf5(path: Path, *more: type[Exception]) -> Iterator[h5py.File]:
    """Open a file for reading: invalid contents, and exceptions of the types `more`, become a ValueError that names the
    file; errors of the operating system become an OSError that names it."""
    wrong: tuple[type[Exception], ...] = (OSError, KeyError, RuntimeError, TypeError, ValueError, *more)
    try:
        # no locking: files are never changed in place, and some file systems have no locks
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except wrong as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        if refusal := _refusal(error):
            raise OSError(refusal, os.strerror(refusal), str(path)) from error
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}; {ADVICE}") from error


def _refusal(error: Exception) -> int:
    """The errno if the operating system failed; 0 if the file's contents are invalid."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = REFUSED.search(str(error))
    return int(found[1]) if found else 0

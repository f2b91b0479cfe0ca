"""HDF5 files: written in one piece, and read with errors that name the file and the next step."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

ADVICE = "if it is damaged, `tavlad store verify` removes it with its links, and `dvc repro` makes it again"


@contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """A file to fill, which lands at the new `path` when the block ends; the same contents give the same bytes."""
    image = io.BytesIO()  # where a disk or a quota ends, HDF5 crashes the process; Python says so
    with h5py.File(image, "w", libver="earliest") as file:
        yield file
    with open(path, "xb") as written:
        written.write(image.getbuffer())


@contextmanager
def opened(path: Path, *more: type[Exception]) -> Iterator[h5py.File]:
    """The file, open to be read; what HDF5 finds wrong, or is one of `more`, becomes a ValueError that names it."""
    wrong: tuple[type[Exception], ...] = (OSError, KeyError, RuntimeError, TypeError, ValueError, *more)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (FileNotFoundError, PermissionError):
        raise
    except wrong as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}; {ADVICE}") from error

"""Predictions as rows of a growing file: CSV or JSON Lines, one row per clip, which a killed run can resume."""

import csv
import fcntl
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tavlad.errors import InputError, TavladError
from tavlad.prediction import Prediction


class Form(Protocol):
    """The file format for the predictions of one model."""

    @property
    def model(self) -> str:
        """The first digits of the model's digest."""

    @property
    def start(self) -> bytes:
        """The first bytes of any file in this format."""

    @property
    def head(self) -> bytes:
        """The header line; empty if there is none."""

    def row(self, prediction: Prediction) -> bytes:
        """One row, for any bytes in the path."""

    def whole(self, record: bytes) -> bool:
        """Whether the lines read so far end with a complete row."""

    def read(self, record: bytes) -> tuple[str, str, str]:
        """Path, error and model of a row; ValueError, KeyError or TypeError if it is not one."""


@dataclass(frozen=True)
class JsonLines:
    """One object per line: `path`, all `classes` with probability and logit or an `error`, and the `model`'s digest."""

    model: str
    head = b""
    start = b'{"path": '

    def row(self, prediction: Prediction) -> bytes:
        """ASCII; bytes of the path that are not UTF-8 are escaped as by Python's `os.fsdecode`."""
        ranked = zip(prediction.classes, prediction.probabilities, prediction.logits, strict=True)
        said: dict[str, object] = {"error": prediction.error}
        if not prediction.error:
            said = {"classes": [{"class": name, "probability": p, "logit": logit} for name, p, logit in ranked]}
        return json.dumps({"path": prediction.path, **said, "model": self.model}).encode() + b"\n"

    def whole(self, record: bytes) -> bool:
        """A row is a line."""
        return record.endswith(b"\n")

    def read(self, record: bytes) -> tuple[str, str, str]:
        """See `Form`."""
        row = json.loads(record)
        return row["path"], row.get("error", ""), row["model"]


@dataclass(frozen=True)
class Table:
    """CSV: path, class, probability, those of the rest of the `top`, error, and the `model`'s digest."""

    model: str
    top: int

    @property
    def head(self) -> bytes:
        """The column names, which depend on the number of classes."""
        ranks = ["", *range(2, self.top + 1)]
        return _line(
            ["path", *(f"{name}{rank}" for rank in ranks for name in ("class", "probability")), "error", "model"]
        )

    @property
    def start(self) -> bytes:
        """The header line."""
        return self.head

    def row(self, prediction: Prediction) -> bytes:
        """The path is written byte for byte."""
        ranked = list(zip(prediction.classes, prediction.probabilities, strict=True))[: self.top]
        cells = [cell for pair in ranked for cell in pair] or [""] * (2 * self.top)
        return _line([prediction.path, *cells, prediction.error, self.model])

    def whole(self, record: bytes) -> bool:
        """A row ends with a newline outside quotes."""
        return record.endswith(b"\n") and record.count(b'"') % 2 == 0

    def read(self, record: bytes) -> tuple[str, str, str]:
        """See `Form`."""
        text = record.decode("utf-8", "surrogateescape").removesuffix("\n")
        ((path, *_, error, model),) = csv.reader(io.StringIO(text, newline=""))
        return path, error, model


def _line(cells: list[object]) -> bytes:
    text = io.StringIO(newline="")
    # a carriage return in a cell is quoted only if lines end with one
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n").encode("utf-8", "surrogateescape") + b"\n"


@contextmanager
def growing(path: Path, form: Form, resume: bool) -> Iterator[tuple[dict[str, str], Callable[[Prediction], None]]]:
    """Yield the errors ("": none) by path of the rows already in the file, and a function that appends a row at once.

    The file is new; or, to `resume`, may exist with the same format and model, and its last row may be truncated.
    """
    with _opened(path, resume) as file:
        held = _held(file, path, form) if resume else {}

        def append(row: bytes) -> None:
            try:
                while row:
                    row = row[file.write(row) :]
            except OSError as error:
                kept = "The rows before are kept: free some space and add --resume."
                raise TavladError(f"{path} cannot be written: {error.strerror}. {kept}") from error

        if not file.tell():
            append(form.head)
        yield held, lambda prediction: append(form.row(prediction))


def require_new(path: Path) -> None:
    """InputError if the file exists: nothing is overwritten."""
    if os.path.lexists(path):
        raise InputError(f"{path} exists: add --resume to continue it, or name another file.")


def _opened(path: Path, resume: bool) -> io.FileIO:
    """The file, opened for appending and locked by this process."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file.")
    try:
        file = open(path, "ab" if resume else "xb", buffering=0)  # noqa: SIM115 (the caller closes it)
    except FileExistsError:
        require_new(path)
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise TavladError(f"{path} is being written by another run: wait for it, or name another file.") from error
    return file


def _held(file: io.FileIO, path: Path, form: Form) -> dict[str, str]:
    """Errors by path of all complete rows; a truncated last row is removed, and nothing else ever is."""
    held: dict[str, str] = {}
    end, record = 0, b""
    with open(path, "rb") as old:
        for number, line in enumerate(old, 1):
            record += line
            if not form.whole(record):
                continue
            if end or not form.head:
                held.update([_row(record, f"line {number}", path, form)])
            elif record != form.head:
                raise _other(path, "its header is of another format, or of another --top")
            end, record = end + len(record), b""
    if not end and not (form.start.startswith(record) or record.startswith(form.start)):
        raise _other(path, "it is not in the format of its suffix")
    file.truncate(end)
    file.seek(end)
    return held


def _row(record: bytes, place: str, path: Path, form: Form) -> tuple[str, str]:
    """Path and error of a row, which must be of the same model."""
    try:
        name, error, model = form.read(record)
    except (ValueError, KeyError, TypeError, csv.Error):
        raise _other(path, f"{place} is not a valid row") from None
    if model != form.model:
        raise _other(path, f"{place} is of another model ({model}, not {form.model})")
    return name, error


def _other(path: Path, why: str) -> InputError:
    return InputError(f"{path} cannot be resumed: {why}. Name another file.")

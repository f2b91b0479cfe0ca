"""Predictions as rows of a file that grows: CSV or JSON Lines, one row a clip, read again to go on after a kill."""

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
    """How predictions of one model are written."""

    @property
    def model(self) -> str:
        """The first digits of its digest."""

    @property
    def start(self) -> bytes:
        """What any file of this form begins with."""

    @property
    def head(self) -> bytes:
        """The first line, where it is no row."""

    def row(self, prediction: Prediction) -> bytes:
        """One row, whatever bytes the path has."""

    def whole(self, record: bytes) -> bool:
        """Whether lines that were read end with the end of a row."""

    def read(self, record: bytes) -> tuple[str, str, str]:
        """Path, error and model of a row; ValueError, KeyError or TypeError for what is none."""


@dataclass(frozen=True)
class JsonLines:
    """An object a line: `path`, all `classes` with probability and logit or an `error`, and the `model`'s digest."""

    model: str
    head = b""
    start = b'{"path": '

    def row(self, prediction: Prediction) -> bytes:
        """ASCII; a byte of the path that is not UTF-8 is an escape, as Python's `os.fsdecode` gives it."""
        ranked = zip(prediction.classes, prediction.probabilities, prediction.logits, strict=True)
        said: dict[str, object] = {"error": prediction.error}
        if not prediction.error:
            said = {"classes": [{"class": name, "probability": p, "logit": logit} for name, p, logit in ranked]}
        return json.dumps({"path": prediction.path, **said, "model": self.model}).encode() + b"\n"

    def whole(self, record: bytes) -> bool:
        """A row is a line."""
        return record.endswith(b"\n")

    def read(self, record: bytes) -> tuple[str, str, str]:
        """As in `Form`."""
        row = json.loads(record)
        return row["path"], row.get("error", ""), row["model"]


@dataclass(frozen=True)
class Table:
    """CSV: path, class, probability, those of the rest of the `top`, error, and the `model`'s digest."""

    model: str
    top: int

    @property
    def head(self) -> bytes:
        """The names of the columns, which say how many classes there are."""
        ranks = ["", *range(2, self.top + 1)]
        return _line(
            ["path", *(f"{name}{rank}" for rank in ranks for name in ("class", "probability")), "error", "model"]
        )

    @property
    def start(self) -> bytes:
        """The head."""
        return self.head

    def row(self, prediction: Prediction) -> bytes:
        """The bytes of the path are its own."""
        ranked = list(zip(prediction.classes, prediction.probabilities, strict=True))[: self.top]
        cells = [cell for pair in ranked for cell in pair] or [""] * (2 * self.top)
        return _line([prediction.path, *cells, prediction.error, self.model])

    def whole(self, record: bytes) -> bool:
        """A row ends with a line that is not inside of quotes."""
        return record.endswith(b"\n") and record.count(b'"') % 2 == 0

    def read(self, record: bytes) -> tuple[str, str, str]:
        """As in `Form`."""
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
    """The errors ("": none) by path of the rows that the file has, and a function that appends one, at once.

    It is a new file; or, to `resume`, may be an old one of the same form and model, whose last row may be cut short.
    """
    with _opened(path, resume) as file:
        held = _held(file, path, form) if resume else {}

        def append(row: bytes) -> None:
            try:
                while row:
                    row = row[file.write(row) :]
            except OSError as error:
                kept = "The rows before are kept: make room, and go on with --resume."
                raise TavladError(f"{path} cannot be written: {error.strerror}. {kept}") from error

        if not file.tell():
            append(form.head)
        yield held, lambda prediction: append(form.row(prediction))


def require_new(path: Path) -> None:
    """InputError if there is such a file: nothing is overwritten."""
    if os.path.lexists(path):
        raise InputError(f"{path} exists: add --resume to go on with it, or name another file.")


def _opened(path: Path, resume: bool) -> io.FileIO:
    """The file at its end, for this process alone."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file that rows can be kept in.")
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
    """Errors by path of all whole rows; a last row that is cut short is cut off, and nothing else is ever removed."""
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
                raise _other(path, "its first line is that of another form, or of another --top")
            end, record = end + len(record), b""
    if not end and not (form.start.startswith(record) or record.startswith(form.start)):
        raise _other(path, "it does not begin as its name says")
    file.truncate(end)
    file.seek(end)
    return held


def _row(record: bytes, place: str, path: Path, form: Form) -> tuple[str, str]:
    """Path and error of a row of the same model."""
    try:
        name, error, model = form.read(record)
    except (ValueError, KeyError, TypeError, csv.Error):
        raise _other(path, f"{place} is no row of it") from None
    if model != form.model:
        raise _other(path, f"{place} is of another model, {model} and not {form.model}")
    return name, error


def _other(path: Path, why: str) -> InputError:
    return InputError(f"{path} cannot be resumed: {why}. Name another file.")

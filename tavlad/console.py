"""Terminal output: progress bars with a rate and an ETA, tables, closing lines, warnings and errors.

Text is never interpreted as markup, because names of clips and classes may look like it. In logs, names are not
wrapped, so that they can be searched line by line.
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from tavlad.errors import TavladError

Item = TypeVar("Item")

WIDE = 1_000_000  # columns, when the output is not a terminal
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, invalid UTF-8, line and paragraph separators


class RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        """The rate of `task`, blank until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {task.fields['unit']}/s", style="cyan")


@contextmanager
def bar(label: str, total: int, unit: str) -> Iterator[Any]:
    """A progress bar; the context is a function `advance(n=1, note="")`."""
    notes = TextColumn("{task.fields[note]}", markup=False, table_column=Column(overflow="fold"))
    columns = [TextColumn("{task.description}", markup=False), BarColumn(bar_width=12), MofNCompleteColumn()]
    columns += [RateColumn(), TimeRemainingColumn(), notes]
    # stdout is printed above the bar only on a terminal; rich would otherwise redirect piped output there too
    with Progress(*columns, console=_console(sys.stderr), redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task(_shown(label, sys.stderr), total=total, unit=unit, note="")

        def advance(n: int = 1, note: str = "") -> None:
            progress.update(task, advance=n, note=_shown(note, sys.stderr))

        yield advance


def track(items: Iterable[Item], label: str, total: int, unit: str) -> Iterator[Item]:
    """Iterate over `items` with a progress bar."""
    with bar(label, total, unit) as advance:
        for item in items:
            yield item
            advance()


def examples(*lines: str) -> str:
    """The examples at the end of a command's help; the \\b keeps click from joining the lines."""
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


def quantity(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun, such as "1 clip" or "1,200 clips"; `plural` is for nouns that take more than an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def done(line: str) -> None:
    """Print a line that says what was made or found; the last line of a stage."""
    print(_shown(line, sys.stdout), flush=True)  # click.echo would write into a progress bar instead of above it


def warn(line: str) -> None:
    """Print a warning to stderr."""
    click.secho(f"warning: {_shown(line, sys.stderr)}", fg="yellow", err=True)


def reason(error: Exception) -> str:
    """An error in one line: type and message, or only the message if it was written for users."""
    kind = "" if isinstance(error, (TavladError, click.ClickException)) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"


@dataclass(frozen=True)
class Row:
    """The cells of a table row; `style` is a rich style, `ends` draws a line below."""

    cells: tuple[str, ...]
    style: str = ""
    ends: bool = False


def table(
    title: str, heads: Sequence[str], rows: Iterable[Row], numbers: bool = False, notes: Sequence[str] = ()
) -> None:
    """Print a table: long cells wrap on a terminal; elsewhere each row is one line.

    `numbers` right-aligns all columns but the first. `notes` are printed below, one per line.
    """
    console = _console(sys.stdout)
    if title:
        _print_line(console, title, "table.title")
    _print_grid(console, heads, rows, numbers)
    for note in notes:
        _print_line(console, note, "table.caption")


@contextmanager
def errors_shown() -> Iterator[None]:
    """The context that commands run in: turns a TavladError into click's, which is printed and exits with code 1."""
    try:
        yield
    except TavladError as error:
        raise _Shown(error) from error


class _Shown(click.ClickException):
    """A `TavladError` as an exception of click."""

    def __init__(self, error: TavladError):
        super().__init__(str(error))
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it to stderr, as `print_error` does."""
        print_error(self.error, file or sys.stderr)


def print_error(error: TavladError, file: IO[str]) -> None:
    """Print an error: title, rows and advice; rows are a table on a terminal, and one line per row elsewhere."""
    console = _console(file)
    rows = [(name, " ".join(reason.splitlines())) for name, reason in error.rows]
    if not rows:
        click.echo(f"Error: {error.title}", file=file)
    elif console.file.isatty():
        _print_line(console, error.title, "bold red")
        _print_grid(console, ("what", "why"), map(Row, rows))
    else:
        for line in (f"{error.title}:", *(f"  {name}: {reason}" for name, reason in rows)):
            _print_line(console, line)
    if error.advice:
        _print_line(console, error.advice)


def _console(file: IO[str]) -> Console:
    """A console without markup and emoji names, which ignores COLUMNS when writing to a file."""
    width = None if file.isatty() else WIDE
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)


def _print_line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(_shown(text, console.file), style), soft_wrap=True)  # wrapped by the terminal: copies whole


def _print_grid(console: Console, heads: Sequence[str], rows: Iterable[Row], numbers: bool = False) -> None:
    grid = Table()
    for place, head in enumerate(heads):
        # the widest characters take two columns; with fewer, narrow terminals would drop them
        grid.add_column(head, overflow="fold", min_width=2, justify="right" if numbers and place else "left")
    for row in rows:
        cells = (_shown(cell, console.file) for cell in row.cells)
        grid.add_row(*cells, style=row.style, end_section=row.ends)
    console.print(grid, crop=False)


def _shown(text: str, file: IO[str]) -> str:
    """`text` as one line of `file`: line breaks, control characters and what cannot be encoded are escaped."""
    line = "".join(repr(letter)[1:-1] if unicodedata.category(letter) in UNPRINTABLE else letter for letter in text)
    encoding = getattr(file, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)

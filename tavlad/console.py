"""What a person sees of a stage: a bar with a rate and an ETA, one closing line, one table of all that failed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Item = TypeVar("Item")


class RateColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """The rate of `task`, blank until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {task.fields['unit']}/s", style="cyan")


@contextmanager
def bar(label: str, total: int, unit: str) -> Iterator[Any]:
    """A progress bar; the context is a function `advance(n=1, note="")`."""
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(bar_width=12), MofNCompleteColumn()]
    columns += [RateColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}")]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total, unit=unit, note="")

        def advance(n: int = 1, note: str = "") -> None:
            progress.update(task, advance=n, note=note)

        yield advance


def track(items: Iterable[Item], label: str, total: int, unit: str) -> Iterator[Item]:
    """`items`, one by one, behind a bar."""
    with bar(label, total, unit) as advance:
        for item in items:
            yield item
            advance()


def done(line: str) -> None:
    """The one line that ends a stage and says what it made."""
    click.echo(line)


def warn(line: str) -> None:
    """A line that a person must not miss, though the stage goes on."""
    click.secho(f"warning: {line}", fg="yellow", err=True)


class Failures(click.ClickException):
    """Everything that went wrong in one run: `(name, reason)` rows and the next step; the exit code is 1."""

    def __init__(self, title: str, rows: Sequence[tuple[str, str]], advice: str):
        super().__init__(f"{title}: " + "; ".join(f"{name}: {reason}" for name, reason in rows))
        self.title, self.rows, self.advice = title, rows, advice

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the table to stderr; a line a row where nobody looks at a terminal."""
        console = Console(stderr=True, file=file)
        if console.is_terminal:
            table = Table("what", "why", title=self.title, title_justify="left", title_style="bold red")
            for name, reason in self.rows:
                table.add_row(Text(name), Text(reason))
            console.print(table)
        else:
            click.echo(f"{self.title}:", file, err=True)
            for name, reason in self.rows:
                click.echo(f"  {name}: {reason}", file, err=True)
        console.print(Text(self.advice), soft_wrap=True)

"""`tavlad store`: what the work store holds, and what may go."""

import click
from rich.console import Console
from rich.table import Table

from tavlad.store import Store


@click.group("store")
def store() -> None:
    """The work store: finished clips, codebooks and trainings, kept so that nothing is computed twice."""


@store.command()
def size() -> None:
    """Show how many entries each stage has and what they weigh."""
    opened = Store.open()
    table = Table("stage", "entries", "MB", title=str(opened.root), title_justify="left")
    for stage, (entries, weight) in opened.size().items():
        table.add_row(stage, str(entries), f"{weight / 1e6:.1f}")
    Console().print(table)


@store.command()
@click.option("--all", "everything", is_flag=True, help="Remove every entry, not only those that nothing else holds.")
def prune(everything: bool) -> None:
    """Remove the entries that neither an output nor DVC's cache shares (both hold them by hard links)."""
    count, weight = Store.open().prune(everything)
    click.echo(f"removed {count} entries, {weight / 1e6:.1f} MB")

"""`tavlad store` and `tavlad doctor store`: what is in the work store, what can be removed, and what is damaged."""

from pathlib import Path

import click
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo

from tavlad import console
from tavlad.commands.group import under_old_name
from tavlad.errors import TavladError
from tavlad.store import maintenance
from tavlad.store.store import Store


@click.group("store", epilog=console.examples("tavlad store size"))
def store() -> None:
    """Show or prune the work store of finished computations.

    It keeps finished clips, codebooks and trainings, so that nothing is computed twice.
    """


@store.command(epilog=console.examples("tavlad store size"))
def size() -> None:
    """Show the number and size of each stage's entries."""
    opened = Store.open()
    sizes = opened.size().items()
    rows = [console.Row((stage, str(entries), f"{weight / 1e6:.1f}")) for stage, (entries, weight) in sizes]
    console.table(str(opened.root), ("stage", "entries", "MB"), rows)


@store.command(epilog=console.examples("tavlad store prune"))
@click.option("--all", "everything", is_flag=True, help="Remove every entry, not only those without other links.")
def prune(everything: bool) -> None:
    """Remove the entries that are not hard-linked from an output or DVC's cache."""
    count, weight = maintenance.prune_entries(Store.open(), everything)
    click.echo(f"removed {console.quantity(count, 'entry', 'entries')}, {weight / 1e6:.1f} MB")


@click.command(epilog=console.examples("tavlad doctor store && dvc repro"))
def verify_store() -> None:
    """Check all entries and DVC's cache, and remove damaged entries.

    They are removed with all their links, so that they are recomputed.
    """
    opened = Store.open()
    verdict = maintenance.verify_entries(opened, _dvc_cache(), Path("data"))
    for path in verdict.removed:
        console.done(f"removed {path}")
    unknown = f"; {verdict.unknown} predate the recording of digests, and were not checked" if verdict.unknown else ""
    counts = f"{console.quantity(verdict.sound, 'entry', 'entries')} undamaged, {len(verdict.damaged)} damaged"
    console.done(f"{opened.root}: {counts}{unknown}")
    rows = [*verdict.damaged, *((str(path), "its content does not match its name, an MD5") for path in verdict.objects)]
    if rows:
        advice = "The damaged entries were removed: `dvc repro` recomputes them."
        if verdict.objects:
            advice += " Remove the files of DVC's cache named here, then `dvc repro`, or `dvc pull` for what you added."
        raise TavladError("damaged", rows, advice)


store.add_command(under_old_name(verify_store, "tavlad store verify", "tavlad doctor store"), "verify")


def _dvc_cache() -> Path | None:
    """The folder of DVC's objects, <2 digits of md5>/<30 digits>; None outside a DVC repository."""
    try:
        return Path(Repo().cache.local.path)
    except NotDvcRepoError:
        return None

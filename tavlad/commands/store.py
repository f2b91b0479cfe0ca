"""`tavlad store` and `tavlad doctor store`: what the work store holds, what may go, and whether it is undamaged."""

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
    """The work store: finished clips, codebooks and trainings, kept so that nothing is computed twice."""


@store.command(epilog=console.examples("tavlad store size"))
def size() -> None:
    """Show how many entries each stage has and what they weigh."""
    opened = Store.open()
    sizes = opened.size().items()
    rows = [console.Row((stage, str(entries), f"{weight / 1e6:.1f}")) for stage, (entries, weight) in sizes]
    console.table(str(opened.root), ("stage", "entries", "MB"), rows)


@store.command(epilog=console.examples("tavlad store prune"))
@click.option("--all", "everything", is_flag=True, help="Remove every entry, not only those that nothing else holds.")
def prune(everything: bool) -> None:
    """Remove the entries that neither an output nor DVC's cache shares (both hold them by hard links)."""
    count, weight = maintenance.prune_entries(Store.open(), everything)
    click.echo(f"removed {count} entries, {weight / 1e6:.1f} MB")


@click.command(epilog=console.examples("tavlad doctor store && dvc repro"))
def verify_store() -> None:
    """Read every entry, and DVC's cache; remove damaged entries with all their links, so that they are made again."""
    opened = Store.open()
    verdict = maintenance.verify_entries(opened, _dvc_cache(), Path("data"))
    for path in verdict.removed:
        console.done(f"removed {path}")
    unknown = f"; {verdict.unknown} are older than notes of digests, and were not checked" if verdict.unknown else ""
    counts = f"{verdict.sound} entries are what was written, {len(verdict.damaged)} are not"
    console.done(f"{opened.root}: {counts}{unknown}")
    rows = [*verdict.damaged, *((str(path), "its bytes are not those that its name says") for path in verdict.objects)]
    if rows:
        advice = "What the store held was removed: `dvc repro` makes it again."
        if verdict.objects:
            advice += " Of DVC's cache, remove the files named, then `dvc repro`, or `dvc pull` for what you added."
        raise TavladError("damaged", rows, advice)


store.add_command(under_old_name(verify_store, "tavlad store verify", "tavlad doctor store"), "verify")


def _dvc_cache() -> Path | None:
    """The folder of DVC's objects, <2 digits of md5>/<30 digits>; None outside of its repositories."""
    try:
        return Path(Repo().cache.local.path)
    except NotDvcRepoError:
        return None

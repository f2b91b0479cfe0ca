"""`tavlad doctor`: whether a data set, the results, the work store and DVC's own files are in order."""

import click

from tavlad import console
from tavlad.commands.group import LazyGroup

PLACES = {
    "data": "check.check",
    "results": "verify.verify",
    "store": "store.verify_store",
    "dvc": "repair.repair",
}


@click.group(cls=LazyGroup, places=PLACES, epilog=console.examples("tavlad doctor results"))
def doctor() -> None:
    """Check that all is in order. Each command reports problems and how to fix them; `store` and `dvc` remove damage.

    \b
      before training                       tavlad doctor data data/raw
      before publishing numbers             tavlad doctor results
      after a disk or machine failure       tavlad doctor store
      if DVC was killed and will not start  tavlad doctor dvc
    """

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
    """See whether all is in order. Each command says what is wrong and what to do; `store` and `dvc` remove damage.

    \b
      before training                       tavlad doctor data data/raw
      before numbers are published          tavlad doctor results
      after a disk or a machine failed      tavlad doctor store
      after DVC was killed, and won't start tavlad doctor dvc
    """

"""The `tavlad` command, for people; the stages of dvc.yaml do not go through it."""

import click

from tavlad.commands.predict import predict
from tavlad.commands.store import store


@click.group()
@click.version_option(package_name="tavlad")
def main() -> None:
    """TA-VLAD: top-down attention recurrent VLAD for action recognition."""


for command in (predict, store):
    main.add_command(command)

if __name__ == "__main__":
    main()

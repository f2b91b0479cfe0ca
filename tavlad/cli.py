"""The `tavlad` command, for users; the stages of dvc.yaml do not go through it."""

from importlib import import_module
from typing import Any

import click

from tavlad.console import errors_shown

COMMANDS = ("attend", "check", "experiment", "predict", "repair", "store", "timeline", "verify")


class Commands(click.Group):
    """Imports a command when it is called: torch and DVC take seconds to load, and no command needs everything."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All commands."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command `name` of tavlad.commands.<name>."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"tavlad.commands.{name}"), name)
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error of the library is printed, and the exit code is 1."""
        with errors_shown():
            return super().invoke(context)


@click.group(cls=Commands)
@click.version_option(package_name="tavlad")
def main() -> None:
    """TA-VLAD: top-down attention recurrent VLAD for action recognition.

    What people do first:

    \b
      Classify videos, or a folder of them
        tavlad predict clips/ --model data/stage2/split1 -o classes.csv
      Make a video of where a model looks
        tavlad attend some.avi --model data/stage2/split1 -o attention.mp4
      Find when a long video shows which class
        tavlad timeline long.mp4 --model data/stage2/split1 -o segments.csv
      See whether a data set is complete, and what training on it costs here
        tavlad check data/raw
      Run one of the paper's experiments (tavlad experiment --help lists them)
        tavlad experiment fig4
      See whether the numbers in data/ are what the models say
        tavlad verify

    \b
    Exit codes:
      0  all is done, and good
      1  something failed, and was named; what was good is kept
      2  the command line is wrong, and nothing was done
    """


if __name__ == "__main__":
    main()

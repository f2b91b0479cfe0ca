"""The `tavlad` command, for users; the stages in dvc.yaml do not use it."""

from typing import Any

import click

from tavlad.commands.group import LazyGroup
from tavlad.console import errors_shown

NAMES = ("attend", "doctor", "experiment", "predict", "store", "timeline")
RENAMED = {
    "check": ("check.check", "doctor data"),
    "verify": ("verify.verify", "doctor results"),
    "repair": ("repair.repair", "doctor dvc"),
}


class Commands(LazyGroup):
    """All commands; prints the library's errors that they raise."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; the library's errors are printed, with exit code 1."""
        with errors_shown():
            return super().invoke(context)


@click.group(cls=Commands, places={name: f"{name}.{name}" for name in NAMES}, renamed=RENAMED)
@click.version_option(package_name="tavlad")
def main() -> None:
    """TA-VLAD: top-down attention recurrent VLAD for action recognition.

    Common tasks:

    \b
      Classify videos, or a folder of them
        tavlad predict clips/ --model data/stage2/split1 -o classes.csv
      Make a video of where a model attends
        tavlad attend some.avi --model data/stage2/split1 -o attention.mp4
      Find when a long video shows which class
        tavlad timeline long.mp4 --model data/stage2/split1 -o segments.csv
      Check that a data set is complete, and what training on it will cost
        tavlad doctor data data/raw
      Run one of the paper's experiments (tavlad experiment --help lists them)
        tavlad experiment fig4
      Check that the numbers in data/ match the models
        tavlad doctor results

    \b
    Exit codes:
      0  everything succeeded
      1  something failed and was reported; finished work is kept
      2  the command line is invalid; nothing was done
    """


if __name__ == "__main__":
    main()

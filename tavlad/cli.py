"""The `tavlad` command, for users; the stages of dvc.yaml do not go through it."""

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
    """All commands; what the library raises of its errors is printed at their end."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error of the library is printed, and the exit code is 1."""
        with errors_shown():
            return super().invoke(context)


@click.group(cls=Commands, places={name: f"{name}.{name}" for name in NAMES}, renamed=RENAMED)
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
        tavlad doctor data data/raw
      Run one of the paper's experiments (tavlad experiment --help lists them)
        tavlad experiment fig4
      See whether the numbers in data/ are what the models say
        tavlad doctor results

    \b
    Exit codes:
      0  all is done, and good
      1  something failed, and was named; what was good is kept
      2  the command line is wrong, and nothing was done
    """


if __name__ == "__main__":
    main()

"""A user's own clips, and what `tavlad doctor data` says of a folder."""

import os
import re
from pathlib import Path

from click.testing import CliRunner, Result

from tavlad.cli import main


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "data", *arguments])


def named(result: Result) -> dict[str, str]:
    """The rows of the failures as {what: why}."""
    return dict(re.findall(r"^  (.+?): (.+)$", result.stderr, re.MULTILINE))


def own_clips(root: Path, tiny: Path, labels: tuple[str, ...] = ("run", "sit")) -> Path:
    """A folder with two classes of three clips each."""
    for label in labels:
        (root / label).mkdir(parents=True)
        for number in range(3):
            os.link(tiny, root / label / f"{number}.avi")
    return root

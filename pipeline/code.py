"""The digest of a stage's code, which DVC tracks and the running stage compares with its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tavlad.console import errors_shown
from tavlad.store.recipes import code, start_with

STAGES = ("demo", "index", "decode", "backbone", "extract", "codebook", "stage1", "stage2", "evaluate", "summary")


def digest_of(stage: str) -> str:
    """The digest of all code that pipeline/<stage>.py imports, including what only prints or stores results."""
    return code(f"pipeline.{stage}", silent=())


def own_code(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a first argument, data/code/<stage>.txt, to a stage: an error if it has the digest of other code.

    Errors of the library are printed, with exit code 1.
    """
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.argument("code", type=kind, expose_value=False, callback=_compare)(errors_shown()(command))


@errors_shown()
def _compare(context: click.Context, parameter: click.Parameter, file: Path) -> None:
    start_with(f"pipeline.{file.stem}")
    written = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    if written != digest_of(file.stem):
        raise click.ClickException(
            f"the code of stage {file.stem} does not match {file}: it was edited since stage check ran. "
            "Run `dvc repro` (without -s)."
        )

"""`tavlad doctor dvc`: remove DVC's own files that are truncated because DVC was killed while writing them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from tavlad import console

TRIES, PAUSE = 5, 0.2  # seconds: a running DVC may be writing at this moment


def _locks(text: str) -> None:
    json.loads(text)


def _stages(text: str) -> None:
    COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text))


# if either is truncated, DVC does not start; it recreates both: dead locks are void, stages come from its cache
FILES: dict[str, Callable[[str], Any]] = {".dvc/tmp/rwlock": _locks, "dvc.lock": _stages}


@click.command(epilog=console.examples("tavlad doctor dvc && dvc repro"))
def repair() -> None:
    """Remove DVC's own files that a killed DVC left incomplete.

    DVC refuses to start with such files, and recreates them.
    """
    found = [name for name, read in FILES.items() if torn(Path(name), read)]
    for name in found:
        Path(name).unlink()
        click.echo(f"removed {name}: DVC was killed while writing it, and will recreate it")
    if not found:
        click.echo("doctor dvc: DVC's files are complete")


def torn(path: Path, read: Callable[[str], Any]) -> bool:
    """Whether the file exists and `read` rejects it, now and after a while."""
    for _ in range(TRIES):
        try:
            read(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        except (ValueError, YAMLError, Invalid):
            time.sleep(PAUSE)
        else:
            return False
    return True

"""`tavlad doctor dvc`: what DVC leaves torn when it is killed while it writes a file of its own."""

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

TRIES, PAUSE = 5, 0.2  # seconds: a DVC that is alive may be writing at this moment


def _locks(text: str) -> None:
    json.loads(text)


def _stages(text: str) -> None:
    COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text))


# DVC refuses to start with either; it makes them again: locks of dead processes bind nobody, stages come from its cache
FILES: dict[str, Callable[[str], Any]] = {".dvc/tmp/rwlock": _locks, "dvc.lock": _stages}


@click.command(epilog=console.examples("tavlad doctor dvc && dvc repro"))
def repair() -> None:
    """Remove those of DVC's own files that it was killed while writing, and with which it refuses to start."""
    found = [name for name, read in FILES.items() if torn(Path(name), read)]
    for name in found:
        Path(name).unlink()
        click.echo(f"removed {name}: DVC was killed while it wrote it, and makes it again")
    if not found:
        click.echo("doctor dvc: what DVC wrote is whole")


def torn(path: Path, read: Callable[[str], Any]) -> bool:
    """Whether the file is there, and not what `read` takes, now and after a while."""
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

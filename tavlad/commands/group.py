"""Command groups that import a command only when it is called: torch and DVC take seconds to load."""

import copy
import functools
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of commands by name, each at "<module of tavlad.commands>.<command>"; `renamed` maps old names to a place
    and the current name."""

    def __init__(
        self,
        *arguments: Any,
        places: Mapping[str, str],
        renamed: Mapping[str, tuple[str, str]] | None = None,
        **options: Any,
    ):
        super().__init__(*arguments, **options)
        self.places, self.renamed = places, renamed or {}

    def list_commands(self, context: click.Context) -> list[str]:
        """All commands, without their old names."""
        return sorted(self.places)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return the command `name`; None if there is none."""
        if name in self.renamed:
            place, now = self.renamed[name]
            return under_old_name(_imported(place), f"tavlad {name}", f"tavlad {now}")
        return _imported(self.places[name]) if name in self.places else None


def under_old_name(command: click.Command, old: str, now: str) -> click.Command:
    """`command` under its old name: hidden, with a note on stderr about the new name."""
    run = command.callback
    assert run is not None, "a group has no old name"

    @functools.wraps(run)
    def named(*arguments: Any, **options: Any) -> Any:
        click.echo(f"`{old}` is now called `{now}`.", err=True)
        return run(*arguments, **options)

    former = copy.copy(command)
    former.callback, former.hidden = named, True
    return former


def _imported(place: str) -> click.Command:
    module, name = place.split(".")
    command: click.Command = getattr(import_module(f"tavlad.commands.{module}"), name)
    return command

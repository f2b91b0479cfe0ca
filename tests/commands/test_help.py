"""What `tavlad --help` and every command's help promise."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tavlad.cli import main

ROOT = Path(__file__).parents[2]


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*names, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


def test_every_command_has_an_example_that_it_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(commands(main))
    assert {("predict",), ("store", "prune"), ("experiment", "fig4"), ("experiment", "report")} <= set(found)
    for names in found:
        text = CliRunner().invoke(main, [*names, "--help"]).stdout
        lines = text[text.index("\n  Example") :].splitlines()[2:]
        assert lines and all(f"tavlad {' '.join(names)}" in line for line in lines), names


def test_help_names_what_people_do_first_and_the_exit_codes() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    first = text[text.index("What people do first") : text.index("Exit codes")]
    called = [line.split()[1] for line in first.splitlines() if line.strip().startswith("tavlad ")]
    assert called == ["predict", "attend", "timeline", "check", "experiment", "verify"]
    assert [line.split()[0] for line in text[text.index("Exit codes") :].splitlines()[1:4]] == ["0", "1", "2"]

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
        if command.hidden:  # an old name
            continue
        yield (*names, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


def test_every_command_has_an_example_that_it_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(commands(main))
    assert {("predict",), ("store", "prune"), ("doctor", "data"), ("experiment", "fig4")} <= set(found)
    for names in found:
        text = CliRunner().invoke(main, [*names, "--help"]).stdout
        lines = text[text.index("\n  Example") :].splitlines()[2:]
        assert lines and all(f"tavlad {' '.join(names)}" in line for line in lines), names


def test_help_names_what_people_do_first_and_the_exit_codes() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    first = text[text.index("Common tasks") : text.index("Exit codes")]
    called = [line.split()[1] for line in first.splitlines() if line.strip().startswith("tavlad ")]
    assert called == ["predict", "attend", "timeline", "doctor", "experiment", "doctor"]
    assert [line.split()[0] for line in text[text.index("Exit codes") :].splitlines()[1:4]] == ["0", "1", "2"]


OLD = {
    ("check",): ("doctor", "data"),
    ("verify",): ("doctor", "results"),
    ("repair",): ("doctor", "dvc"),
    ("store", "verify"): ("doctor", "store"),
}


def test_old_names_work_and_say_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    listed = list(commands(main))
    monkeypatch.chdir(tmp_path)  # an empty folder: each has something to say, and nothing to do
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    for old, new in OLD.items():
        arguments = [str(tmp_path)] if new[-1] == "data" else []
        before, now = (CliRunner().invoke(main, [*names, *arguments]) for names in (old, new))
        said, *rest = before.stderr.splitlines(keepends=True)
        assert said == f"`tavlad {' '.join(old)}` is now called `tavlad {' '.join(new)}`.\n"
        assert (before.exit_code, before.stdout, "".join(rest)) == (now.exit_code, now.stdout, now.stderr)
        assert new in listed and old not in listed and now.output
        help_texts = [CliRunner().invoke(main, [*names, "--help"]).stdout for names in (old[:-1], new[:-1])]
        assert f"\n  {old[-1]} " not in help_texts[0] and f"\n  {new[-1]} " in help_texts[1]

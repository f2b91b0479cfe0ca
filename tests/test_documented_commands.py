"""Every command in README and docs/ is one that exists, with options, parameters, targets and files that exist."""

import importlib
import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path

import click
import pytest
from dvc.cli import parse_args
from ruamel.yaml import YAML

from tavlad.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("tavlad", "dvc", "make", "pip", "python", "cp")
HISTORY = "decisions.md"  # its sentences name commands that were considered, too
PIECE = re.compile(r"`([^`\n]+)`|^ {4}(.+)", re.MULTILINE)  # inline, or a line of a block


def commands() -> Iterator[tuple[str, str]]:
    """Each command of each page, without its comment; a name of two words in a sentence may stand for its kind."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for inline, block in PIECE.findall(text):
            for command in re.split(r"&&|\|", inline or block.split("   #")[0].split(" # ")[0]):
                words = command.strip().rstrip("\\;& ").split()
                kind = bool(inline) and (page.name == HISTORY or (len(words) == 2 and words[0] in ("dvc", "python")))
                if len(words) > 1 and words[0] in PROGRAMS and not kind:
                    yield page.name, " ".join(words)


FOUND = sorted(set(commands()))


def of(program: str) -> list[tuple[str, str]]:
    """The commands of one program, with their pages."""
    return [(page, command) for page, command in FOUND if command.split()[0] == program]


def words_of(command: str) -> list[str]:
    """The words after the program's name."""
    return shlex.split(command)[1:]


def parse(group: click.Command, words: list[str]) -> None:
    """Have click parse the words; files need not exist."""
    context = click.Context(group, info_name="tavlad")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        child = group.get_command(context, words[0])
        assert child is not None, f"no command {words[0]}"
        group, words, context = child, words[1:], click.Context(child, parent=context)
    group.make_parser(context).parse_args(words)


def test_the_pages_hold_commands_of_each_program():
    counts = {program: len(of(program)) for program in PROGRAMS}
    assert counts["tavlad"] > 40 and counts["dvc"] > 30 and min(counts.values()) > 2, counts


@pytest.mark.parametrize(("page", "command"), of("tavlad"))
def test_tavlad_knows_it(page: str, command: str) -> None:
    parse(main, words_of(command))


@pytest.mark.parametrize(("page", "command"), of("dvc"))
def test_dvc_knows_it_and_its_parameters_exist(page: str, command: str) -> None:
    words = words_of(command)
    parse_args(words)
    parameters = YAML(typ="safe").load(ROOT / "params.yaml")
    for before, change in pairwise(words):
        if before == "-S" and "=" in change:
            place = parameters
            for key in change.split("=")[0].split("."):
                assert key in place, f"{page}: params.yaml has no {change}"
                place = place[key]


@pytest.mark.parametrize(("page", "command"), of("make"))
def test_the_makefile_has_the_target(page: str, command: str) -> None:
    for target in words_of(command):
        assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "command"), of("pip"))
def test_the_extra_exists(page: str, command: str) -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for extra in re.findall(r"\.\[(\w+)\]", command):
        assert setup.has_option("options.extras_require", extra)


@pytest.mark.parametrize(("page", "command"), of("python"))
def test_the_module_exists_and_knows_its_options(page: str, command: str) -> None:
    words = words_of(command)
    if words[:1] == ["-m"] and words[1].split(".")[0] in ("tests", "benchmarks", "pipeline"):
        parse(importlib.import_module(words[1]).main, words[2:])


@pytest.mark.parametrize(("page", "command"), of("cp"))
def test_the_copied_file_exists(page: str, command: str) -> None:
    assert all((ROOT / name).exists() for name in words_of(command))

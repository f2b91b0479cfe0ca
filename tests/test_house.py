"""What keeps the house easy to find one's way in: one meaning a name, short signatures, one direction of imports."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tavlad.store.recipes import closure

ROOT = Path(__file__).parents[1]
FILES = [file for room in ("tavlad", "pipeline") for file in sorted((ROOT / room).rglob("*.py"))]
LOCAL = ("main", "Parameters")  # each stage has its own
SAME = ("predict",)  # the command, and `tavlad.predict` from Python: one thing under one name
MOST_PARAMETERS = 7


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in FILES:
        yield file, ast.parse(file.read_text())


def test_no_public_function_or_class_is_defined_twice():
    places = defaultdict(list)
    for file, tree in trees():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                places[node.name].append(str(file.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in LOCAL + SAME} == {}


def test_no_function_takes_more_parameters_than_a_reader_keeps_in_mind():
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                assert len([name for name in names if name not in ("self", "cls")]) <= MOST_PARAMETERS, (
                    file,
                    node.name,
                )


def test_the_library_knows_no_stage():
    """But for `tavlad doctor data`, which reads params.yaml as the stages do, and says where to run it."""
    for file, tree in trees():
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if file.parts[-2] != "pipeline" and file.name != "estimate.py":
            assert not {name for name in names if name.split(".")[0] == "pipeline"}, file


def test_only_commands_know_click():
    """The library raises errors of its own; `tavlad.console` prints them at the end of a command."""
    knowing = [file.relative_to(ROOT) for file, tree in trees() if "click" in _imported(tree)]
    assert {str(file) for file in knowing if file.parts[0] == "tavlad" and file.parts[1] != "commands"} == {
        "tavlad/cli.py",
        "tavlad/console.py",
    }


def _imported(tree: ast.Module) -> set[str]:
    nodes = list(ast.walk(tree))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    return {name.split(".")[0] for name in names}


def test_no_formatting_is_switched_off():
    assert not [file for file in [*FILES, *(ROOT / "tests").rglob("*.py")] if "fmt:" + " skip" in file.read_text()]


def test_packages_hold_nothing_but_modules():
    """But for what is said where an environment is wrong, and for `tavlad.predict`.

    What stages import they depend on, and all of them import the package: that one loads no other room.
    """
    held = [file for file in FILES if file.name == "__init__.py" and file.stat().st_size]
    assert held == [ROOT / "tavlad" / "__init__.py", ROOT / "pipeline" / "__init__.py"]
    assert set(closure("tavlad", silent=())) == {"tavlad", "tavlad.prediction"}


def test_documents_name_files_that_are_there():
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        # what patches name, tests/test_extend.py applies
        text = re.sub(r"```diff\n.*?```", "", document.read_text(), flags=re.DOTALL)
        lost = [name for name in re.findall(r"[\w/]*\btest_\w+\.py", text) if not any_file(name)]
        code = re.findall(r"(?:tavlad|pipeline)/(?!test_)[\w/]+\.py", text)
        lost += [name for name in code if not (ROOT / name).is_file()]
        if document.name != "CHANGELOG.md":
            modules = re.findall(r"`(tavlad(?:\.\w+)+)`", text)
            lost += [name for name in modules if not defined(name)]
        assert lost == [], document


def test_the_code_names_no_document_that_its_reader_does_not_have():
    made = {"tables.md"}  # by `tavlad experiment report`
    for file in [*FILES, *ROOT.glob("*.yaml"), *(ROOT / "presets").glob("*.yaml")]:
        named = set(re.findall(r"(?<![\w./-])[\w/-]+\.md\b(?!\()", file.read_text()))
        assert {name for name in named - made if not (ROOT / name).is_file()} == set(), file


def any_file(name: str) -> bool:
    return (ROOT / name).is_file() or (ROOT / "tests" / name).is_file()


def defined(name: str) -> bool:
    """Whether a dotted name is a module, or stands at the top of one."""
    module, _, last = name.rpartition(".")
    place, outer = ROOT.joinpath(*name.split(".")), ROOT.joinpath(*module.split("."))
    tops = [file for file in (outer.with_suffix(".py"), outer / "__init__.py") if file.is_file()]
    return place.is_dir() or place.with_suffix(".py").is_file() or any(last in file.read_text() for file in tops)


def test_files_are_short():
    assert {file.name: count for file in FILES if (count := len(file.read_text().splitlines())) > 200} == {}

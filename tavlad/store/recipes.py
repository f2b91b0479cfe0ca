"""The name of a result: the digest of the code that makes it, the versions of its libraries, and all of its arguments.

No caller picks what is in it: code and libraries are those that the module of the maker imports, followed to the end.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tavlad.errors import TavladError

ROOT = Path(__file__).parents[2]
ROOMS = ("tavlad", "pipeline")
# Modules that decide no value, each with the reason. What is not on this list decides.
SILENT = {
    "tavlad": "what `import tavlad` offers to others; no maker calls it",
    "tavlad.console": "what a stage prints while it works",
    "tavlad.errors": "what is said of errors",
    "tavlad.store.integrity": "whether an entry is still what was written, and a video what was read",
    "tavlad.store.locking": "who waits for whom",
    "tavlad.store.making": "how results are found or made, and published",
    "tavlad.store.recipes": "the names of results",
    "tavlad.store.store": "where results are kept",
    "tavlad.video.workers": "in which process a task runs; the task's own module decides",
}
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}  # where a library is imported by another name
LEFT_OUT = ("ctx", "kind", "type_comment", "type_ignores", "type_params")  # of a syntax tree; releases of Python differ
STARTED_WITH: dict[Path, bytes] = {}  # the code of this process's stage


class Module(NamedTuple):
    """What a module imports, and the digest of its code."""

    imports: frozenset[str]
    digest: str


def digest(recipe: Any) -> str:
    """The name of a recipe: SHA-256 of its canonical JSON, 64 hex digits; TypeError for what has no lasting name."""
    return hashlib.sha256(json.dumps(_plain(recipe), sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def made_by(module: str) -> dict[str, Any]:
    """What a recipe holds of the maker in `module`: the digest of its code, and the versions of its libraries."""
    modules = closure(module)
    libraries = sorted({name.split(".")[0] for one in modules.values() for name in one.imports} - {*ROOMS})
    return {
        "code": _digest_of(modules),
        "versions": versions(*(name for name in libraries if name not in sys.stdlib_module_names)),
    }


def start_with(module: str) -> None:
    """From now on, whatever `module` imports must stay as it is on the disk, or `closure` raises a TavladError.

    Called before the code of a stage is loaded, so that no key is of later code than that which runs.
    """
    for name in closure(module, silent=()):
        file = next(path for path in _files(name) if path.is_file())
        STARTED_WITH[file] = file.read_bytes()


def code(module: str, silent: Iterable[str] = tuple(SILENT)) -> str:
    """Digest of the code of `closure`."""
    return _digest_of(closure(module, silent))


def closure(module: str, silent: Iterable[str] = tuple(SILENT)) -> dict[str, Module]:
    """`module` and every module of the project that it imports, followed to the end, by name.

    Those in `silent` are left out, and not followed; a package counts with its `__init__`, unless that is empty.
    """
    waiting, seen, found = {module}, set(silent), {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting |= {name.rpartition(".")[0]} - {""}
        file = next((path for path in _files(name) if path.is_file()), None)
        if file is not None and (source := file.read_bytes()):
            if STARTED_WITH.get(file, source) != source:
                raise TavladError(f"{file} was edited while the stage was running: run `dvc repro` again.")
            found[name] = _read(source)
            waiting |= {one for one in found[name].imports if one.split(".")[0] in ROOMS}
    return dict(sorted(found.items()))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with open(path, "rb") as file:
        hasher = hashlib.sha256()
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def versions(*libraries: str) -> dict[str, str]:
    """The installed versions of libraries, by the names that they are imported by."""
    return {name: importlib.metadata.version(DISTRIBUTIONS.get(name, name)) for name in libraries}


def tree_digest(tree: ast.Module) -> str:
    """Digest of a module: node types and fields that are not empty, without docstrings, however it is laid out."""
    return hashlib.sha256(json.dumps(_syntax(tree)).encode()).hexdigest()


def _digest_of(modules: Mapping[str, Module]) -> str:
    return digest({name: one.digest for name, one in modules.items()})


@functools.cache
def _read(source: bytes) -> Module:
    tree = ast.parse(source)
    return Module(frozenset(_imported(tree)), tree_digest(tree))


def _files(name: str) -> tuple[Path, Path]:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py"), place / "__init__.py"


def _imported(tree: ast.AST) -> set[str]:
    """All that a module imports, at any depth of it; of `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"line {node.lineno}: a relative import: imports are absolute, so that code is found")
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _syntax(node: Any) -> Any:
    """A node as [type, fields], a list as a list, a constant as [type, text]."""
    if isinstance(node, list):
        return [_syntax(item) for item in node]
    if not isinstance(node, ast.AST):
        return [type(node).__name__, repr(node)]
    fields = {name: value for name, value in ast.iter_fields(node) if name not in LEFT_OUT and value not in (None, [])}
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        fields["body"] = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if isinstance(node, ast.JoinedStr):
        fields["values"] = _merged(node.values)
    return [type(node).__name__, {name: _syntax(value) for name, value in fields.items()}]


def _merged(values: list[ast.expr]) -> list[ast.expr]:
    """The values of an f-string, constants side by side as one: Python 3.12 splits them otherwise than 3.11."""
    merged: list[ast.expr] = []
    for value in values:
        before = merged[-1] if merged else None
        if isinstance(value, ast.Constant) and isinstance(before, ast.Constant):
            merged[-1] = ast.Constant(str(before.value) + str(value.value))
        else:
            merged.append(value)
    return merged


def _plain(value: Any) -> Any:
    """`value` as JSON holds it, dataclasses by their fields."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (one.name for one in dataclasses.fields(value) if not one.metadata.get("place"))
        return {name: _plain(getattr(value, name)) for name in fields}
    raise TypeError(f"{value!r} has no lasting name: a recipe holds numbers, texts, and digests of what is read")

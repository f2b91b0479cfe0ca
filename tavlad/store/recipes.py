"""Keys of the work store: digests of a maker's code, of the versions of its libraries, and of all its arguments.

Code and libraries are found by following all imports of the maker's module; callers cannot leave anything out.
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
# Modules that affect no value, each with the reason; all others are part of the key.
SILENT = {
    "tavlad": "the public API; no maker calls it",
    "tavlad.console": "what a stage prints while it runs",
    "tavlad.errors": "error classes and messages",
    "tavlad.store.integrity": "detects damaged entries and changed videos",
    "tavlad.store.locking": "locks between processes",
    "tavlad.store.making": "how results are found, made and published",
    "tavlad.store.recipes": "the keys of results",
    "tavlad.store.store": "where results are kept",
    "tavlad.video.workers": "runs a task in another process; the task's own module is in the key",
}
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}  # distributions named differently from their module
LEFT_OUT = ("ctx", "kind", "type_comment", "type_ignores", "type_params")  # AST fields that vary with Python's version
STARTED_WITH: dict[Path, bytes] = {}  # the code that this process's stage was loaded from


class Module(NamedTuple):
    """A module's imports, and the digest of its code."""

    imports: frozenset[str]
    digest: str


def digest(recipe: Any) -> str:
    """SHA-256 of a recipe's canonical JSON, 64 hex digits; TypeError for values that have no stable JSON form."""
    return hashlib.sha256(json.dumps(_as_json(recipe), sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def made_by(module: str) -> dict[str, Any]:
    """The part of a recipe that describes the maker's `module`: digest of its code, versions of its libraries."""
    modules = closure(module)
    libraries = sorted({name.split(".")[0] for one in modules.values() for name in one.imports} - {*ROOMS})
    return {
        "code": _digest_of(modules),
        "versions": versions(*(name for name in libraries if name not in sys.stdlib_module_names)),
    }


def start_with(module: str) -> None:
    """Record the code of `module` and its imports; `closure` raises a TavladError if it changes on disk afterwards.

    To be called before a stage's code is loaded, so that keys describe the code that actually runs.
    """
    for name in closure(module, silent=()):
        file = next(path for path in _files(name) if path.is_file())
        STARTED_WITH[file] = file.read_bytes()


def code(module: str, silent: Iterable[str] = tuple(SILENT)) -> str:
    """Digest of the code of all modules in `closure`."""
    return _digest_of(closure(module, silent))


def closure(module: str, silent: Iterable[str] = tuple(SILENT)) -> dict[str, Module]:
    """`module` and every module of the project that it imports, directly or indirectly, by name.

    Modules in `silent` are left out and not followed; a package's `__init__` is included unless it is empty, and a
    module that imports jinja2 includes the templates beside it.
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
            found[name] = _with_templates(_read(source), file.parent / "templates")
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
    """The installed versions of libraries, given and returned by their import names."""
    return {name: importlib.metadata.version(DISTRIBUTIONS.get(name, name)) for name in libraries}


def tree_digest(tree: ast.Module) -> str:
    """Digest of a module's syntax tree (node types and non-empty fields), without docstrings and layout."""
    return hashlib.sha256(json.dumps(_syntax(tree)).encode()).hexdigest()


def _digest_of(modules: Mapping[str, Module]) -> str:
    return digest({name: one.digest for name, one in modules.items()})


@functools.cache
def _read(source: bytes) -> Module:
    tree = ast.parse(source)
    return Module(frozenset(_imported(tree)), tree_digest(tree))


def _with_templates(module: Module, folder: Path) -> Module:
    """The module, with the files in `folder` if it is one that fills in templates."""
    if "jinja2" not in module.imports:
        return module
    files = {file.name: file_digest(file) for file in folder.iterdir() if file.suffix in (".html", ".css", ".js")}
    return module._replace(digest=digest([module.digest, files]))


def _files(name: str) -> tuple[Path, Path]:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py"), place / "__init__.py"


def _imported(tree: ast.AST) -> set[str]:
    """All names that a module imports, at any nesting depth; both a and a.b for `from a import b`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"line {node.lineno}: relative import; only absolute imports can be followed")
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _syntax(node: Any) -> Any:
    """A node as [type, fields], a list as a list, a constant as [type, repr]."""
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
    """The values of an f-string with adjacent constants merged: Python 3.12 splits them differently from 3.11."""
    merged: list[ast.expr] = []
    for value in values:
        before = merged[-1] if merged else None
        if isinstance(value, ast.Constant) and isinstance(before, ast.Constant):
            merged[-1] = ast.Constant(str(before.value) + str(value.value))
        else:
            merged.append(value)
    return merged


def _as_json(value: Any) -> Any:
    """`value` in terms of JSON types, dataclasses by their fields."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _as_json(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (one.name for one in dataclasses.fields(value) if not one.metadata.get("place"))
        return {name: _as_json(getattr(value, name)) for name in fields}
    raise TypeError(f"{value!r} cannot be in a recipe: use numbers, strings, and digests of inputs")

"""What a result was made from, as one name: input bytes, deciding parameters, versions, deciding code."""

import ast
import hashlib
import importlib.metadata
import json
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parent
BOOKKEEPING = {"tavlad.store", "tavlad.recipes", "tavlad.console", "tavlad.params"}  # they never decide a value


def digest(recipe: Any) -> str:
    """The name of a recipe: SHA-256 of its canonical JSON, 64 hex digits."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with open(path, "rb") as file:
        hasher = hashlib.sha256()
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def versions(*libraries: str) -> dict[str, str]:
    """The installed versions of the libraries that decide values."""
    return {name: importlib.metadata.version(name) for name in libraries}


def code(*modules: ModuleType) -> str:
    """Digest of `modules` and of every tavlad module that they import: syntax trees without docstrings."""
    waiting, trees = {module.__name__ for module in modules}, {}
    while waiting:
        name = waiting.pop()
        path = PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py")
        if name in BOOKKEEPING or name in trees or not path.exists():
            continue
        tree = ast.parse(path.read_bytes())
        waiting |= _imports(tree)
        trees[name] = ast.dump(_without_docstrings(tree))
    return digest(trees)


def _imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("tavlad.")}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree

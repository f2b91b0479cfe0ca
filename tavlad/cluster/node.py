"""The code that runs on the nodes of a cluster: what decides values on a node, and the actors that do the work."""

import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tavlad.store.inputs import Input
from tavlad.store.locking import host, scratch
from tavlad.store.recipes import ROOT, made_by
from tavlad.store.store import processor

Value = TypeVar("Value")
Contents = Mapping[str, bytes]  # of the inputs of a dataclass, by field name


class Filler(Protocol):
    """What a stage loads once, to make the files of many clips."""

    @staticmethod
    def digest_of(path: Path, /) -> str:
        """The digest that identifies a clip's input."""

    def fill(self, path: Path, key: str, one: Any, /) -> str:
        """Write one clip's file, with `key` as its recipe, to a new `path`; the error message, or ""."""


@dataclass(frozen=True)
class Filled:
    """A clip's file as bytes, or the reason why there is none, and where it was made; `seen` is False, and nothing was
    done, if the node has no access to the clip's input."""

    content: bytes
    reason: str
    node: str
    how: dict[str, str]
    seen: bool = True


def described(module: str, precision: str, gpu: bool) -> dict[str, str]:
    """What decides values on this machine besides a stage's parameters: the code and libraries of the maker's `module`.

    `precision` is a parameter ("auto" is resolved here, for the processor or the `gpu`), or "" if no network runs.
    """
    made = made_by(module)
    facts = {"the code of tavlad": made["code"], "Python": platform.python_version(), **made["versions"]}
    facts["processor"] = processor()
    if precision:
        import torch

        from tavlad import device as devices

        device = devices.choose("auto" if gpu else "cpu")
        facts["GPU"] = torch.cuda.get_device_name() if device.type == "cuda" else "none"
        facts["precision"] = devices.precision(precision, device)
    return facts


class Hand:
    """An actor: holds a network or a supervised decoder, and makes one clip's file per call."""

    def __init__(self, opener: Callable[[Any, Any], Filler], arguments: Any, speed: Any):
        self.scratch = scratch()  # left only when this process ends; then others of this machine sweep it
        self.folder = self.scratch.__enter__()
        sent = {name: sent_with_code(ROOT, name, one) for name, one in inputs_of(arguments).items()}
        self.filler = opener(moved(arguments, sent), speed)

    def ready(self) -> None:
        """Return when everything is loaded."""

    def run(self, one: Any, key: str, contents: Contents | None) -> Filled:
        """Make the file of `one` clip, whose inputs have these `contents`, or if None are read from their paths."""
        if contents is None and not all(map(self._sees, inputs_of(one).values())):
            return Filled(b"", "", *_where(), seen=False)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            here, path = moved(one, _written(one, contents or {}, Path(folder))), Path(folder, "made")
            reason = self.filler.fill(path, key, here)
            for name, given in inputs_of(one).items():
                reason = reason.replace(str(inputs_of(here)[name].path), str(given.path))
            return Filled(b"" if reason else path.read_bytes(), reason, *_where())

    def _sees(self, given: Input) -> bool:
        try:
            return self.filler.digest_of(given.path) == given.digest
        except (OSError, ValueError):
            return False


def _written(one: Any, contents: Contents, folder: Path) -> dict[str, Path]:
    """Write the `contents` of the inputs of `one` below `folder`, under their own names; the paths by field name."""
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / name / inputs_of(one)[name].path.name
        paths[name].parent.mkdir()
        paths[name].write_bytes(content)
    return paths


def _where() -> tuple[str, dict[str, str]]:
    """The id of this node, and its description for the note of an entry."""
    import ray

    threads = os.environ.get("OMP_NUM_THREADS", "")
    how = {"engine": "ray", "host": host(), "processor": processor(), "threads": threads}
    return ray.get_runtime_context().get_node_id(), how


def inputs_of(value: Any) -> dict[str, Input]:
    """The files that `value`, a dataclass, is made from, by field name."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: one for name, one in found.items() if isinstance(one, Input)}


def moved(value: Value, paths: Mapping[str, Path]) -> Value:
    """`value`, a dataclass, with its inputs at other `paths`, by field name."""
    given: Any = value
    changed: Value = replace(given, **{name: replace(getattr(given, name), path=path) for name, path in paths.items()})
    return changed


def sent_with_code(folder: Path, name: str, given: Input) -> Path:
    """The path of an input common to all clips, below the `folder` that is sent to the nodes."""
    return folder / "inputs" / name / given.path.name

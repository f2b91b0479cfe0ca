"""What runs on the nodes of a cluster: the question what a node computes with, and the actors that do the work."""

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
Contents = Mapping[str, bytes]  # of the inputs of a dataclass, by the names of their fields


class Filler(Protocol):
    """What a stage has loaded once, to make the files of many clips."""

    @staticmethod
    def digest_of(path: Path, /) -> str:
        """The digest of a clip's input, by which it is known."""

    def fill(self, path: Path, key: str, one: Any, /) -> str:
        """Write one clip's file, which says that `key` made it, to a new `path`; why there is none, or ""."""


@dataclass(frozen=True)
class Filled:
    """A clip's file as bytes, or the reason why there is none, and who made it; `seen` is False where the node does not
    see the clip's input, so that nothing was done."""

    content: bytes
    reason: str
    node: str
    how: dict[str, str]
    seen: bool = True


def described(module: str, precision: str, gpu: bool) -> dict[str, str]:
    """What decides values on this machine besides a stage's parameters: code and libraries of the maker in `module`.

    `precision` is a parameter ("auto" is resolved here, for the processor or the `gpu`), or "" where no network runs.
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
    """An actor: the network, or a supervised decoder, and the clips that it is given, one call for each."""

    def __init__(self, opener: Callable[[Any, Any], Filler], arguments: Any, speed: Any):
        self.scratch = scratch()  # left only when this process ends; then others of this machine sweep it
        self.folder = self.scratch.__enter__()
        sent = {name: sent_with_code(ROOT, name, one) for name, one in inputs_of(arguments).items()}
        self.filler = opener(moved(arguments, sent), speed)

    def ready(self) -> None:
        """Return when all is loaded."""

    def run(self, one: Any, key: str, contents: Contents | None) -> Filled:
        """Make the file of `one` clip, whose inputs have these `contents`, or (None) lie at their paths."""
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
    """The files below `folder` that now hold the `contents` of inputs of `one`, under their own names."""
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / name / inputs_of(one)[name].path.name
        paths[name].parent.mkdir()
        paths[name].write_bytes(content)
    return paths


def _where() -> tuple[str, dict[str, str]]:
    """The id of this node, and what the note of an entry says of it."""
    import ray

    threads = os.environ.get("OMP_NUM_THREADS", "")
    how = {"engine": "ray", "host": host(), "processor": processor(), "threads": threads}
    return ray.get_runtime_context().get_node_id(), how


def inputs_of(value: Any) -> dict[str, Input]:
    """The files that `value`, a dataclass, is made from, by the names of their fields."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: one for name, one in found.items() if isinstance(one, Input)}


def moved(value: Value, paths: Mapping[str, Path]) -> Value:
    """`value`, a dataclass, with inputs at other `paths`, by the names of their fields."""
    given: Any = value
    changed: Value = replace(given, **{name: replace(getattr(given, name), path=path) for name, path in paths.items()})
    return changed


def sent_with_code(folder: Path, name: str, given: Input) -> Path:
    """Where an input that is common to all clips lies below the `folder` that is sent to the nodes."""
    return folder / "inputs" / name / given.path.name

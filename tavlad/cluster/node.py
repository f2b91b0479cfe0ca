"""The code that runs on the nodes of a cluster: what decides values on a node, and the actors that do the work."""

import os
import platform
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tavlad.store.inputs import Input
from tavlad.store.locking import host, scratch
from tavlad.store.recipes import ROOT, made_by
from tavlad.store.store import processor

Value = TypeVar("Value")
Contents = Mapping[str, bytes]  # of the inputs of a dataclass, by field name
Job = Sequence[tuple[str, Any]]  # the keys and arguments of clips that are made in one call from the same inputs


class Filler(Protocol):
    """What a stage loads once, to make the files of many clips."""

    @staticmethod
    def digest_of(path: Path, /) -> str:
        """The digest that identifies a clip's input."""

    @staticmethod
    def job_of(one: Any, /) -> Hashable:
        """Equal for consecutive clips that are made in one call; they have the same inputs."""

    def fill(self, clips: Sequence[tuple[Path, str, Any]], /) -> list[str]:
        """Write the files of a job's clips, each with its key as recipe, to new paths; the error messages, or ""."""


@dataclass(frozen=True)
class Filled:
    """The files of a job's clips as bytes, or the reasons why there are none, and where they were made.

    `seen` is False, and nothing was done, if the node has no access to the job's inputs.
    """

    contents: list[bytes]
    reasons: list[str]
    node: str = ""
    how: dict[str, str] = field(default_factory=dict)
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
    """An actor: holds a network or a supervised decoder, and makes the files of one job per call."""

    def __init__(self, opener: Callable[[Any, Any], Filler], arguments: Any, speed: Any):
        self.scratch = scratch()  # left only when this process ends; then others of this machine sweep it
        self.folder = self.scratch.__enter__()
        sent = {name: sent_with_code(ROOT, name, one) for name, one in inputs_of(arguments).items()}
        self.filler = opener(moved(arguments, sent), speed)

    def ready(self) -> None:
        """Return when everything is loaded."""

    def run(self, job: Job, contents: Contents | None) -> Filled:
        """Make the files of `job`, whose inputs have these `contents`, or if None are read from their paths."""
        given = inputs_of(job[0][1])
        if contents is None and not all(map(self._sees, given.values())):
            return Filled([], [], *_where(), seen=False)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            paths = _written(given, contents or {}, Path(folder))
            clips = [(Path(folder, f"made-{place}"), key, moved(one, paths)) for place, (key, one) in enumerate(job)]
            reasons = self.filler.fill(clips)
            for name, path in paths.items():
                reasons = [reason.replace(str(path), str(given[name].path)) for reason in reasons]
            made = [b"" if reason else clip[0].read_bytes() for clip, reason in zip(clips, reasons, strict=True)]
            return Filled(made, reasons, *_where())

    def _sees(self, given: Input) -> bool:
        try:
            return self.filler.digest_of(given.path) == given.digest
        except (OSError, ValueError):
            return False


def _written(given: Mapping[str, Input], contents: Contents, folder: Path) -> dict[str, Path]:
    """Write the `contents` of the inputs `given` below `folder`, under their own names; the paths by field name."""
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / name / given[name].path.name
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

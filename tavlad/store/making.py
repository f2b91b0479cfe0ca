"""Making results: look a result up in the work store by its key, or make it in a scratch folder and add it; publish."""

import dataclasses
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tavlad.store import integrity
from tavlad.store.integrity import files_of
from tavlad.store.recipes import digest, made_by
from tavlad.store.store import Store

Arguments = TypeVar("Arguments")
One = TypeVar("One")
How = TypeVar("How")  # settings that affect speed and at most the rounding of sums (device, workers); not in the key


@dataclass(frozen=True)
class Place:
    """Where to make a result: `path` does not exist yet; files that record their recipe record `key`.

    `how` is for the entry's note, if another machine made it.
    """

    store: Store
    stage: str
    key: str
    path: Path
    how: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def keep(self) -> Iterator[Path]:
        """Yield a path to write a checkpoint to, from which a killed run resumes; it replaces the previous one."""
        with self.store.create(self._kept, self.key) as aside:
            yield aside

    def kept(self) -> Path | None:
        """The checkpoint of a killed run with the same key, or None."""
        return self.store.find(self._kept, self.key)

    @property
    def _kept(self) -> str:
        return f"{self.stage}-epoch"


@dataclass(frozen=True)
class Made:
    """An entry, its key, whether it is new, and the seconds it took, without waiting for other processes."""

    path: Path
    key: str
    new: bool
    seconds: float


@dataclass(frozen=True)
class Result:
    """One of many results: its entry, or None and the reason."""

    name: str
    path: Path | None
    new: bool = False
    reason: str = ""


def key_for(make: Callable[..., None], arguments: Any) -> str:
    """The key of the result of `make` for `arguments`."""
    return digest({**made_by(make.__module__), "arguments": arguments})


def made(
    store: Store, stage: str, make: Callable[[Place, Arguments, How], None], arguments: Arguments, speed: How
) -> Made:
    """Find the entry of `make(place, arguments, speed)` in `store`, or make it; `speed` is a dataclass or None.

    The key covers the code that the module of `make` imports, the versions of its libraries, and all of `arguments`.
    """
    key = key_for(make, arguments)
    with store.lock(f"{stage}-{key}", stage):
        started, found = time.monotonic(), store.find(stage, key)
        if found is None:
            with store.create(stage, key, _facts(speed)) as aside:
                make(Place(store, stage, key, aside), arguments, speed)
            store.discard(f"{stage}-epoch", key)
        return Made(found or store.get(stage, key), key, found is None, time.monotonic() - started)


Make = Callable[[Arguments, Iterator[tuple[Place, One]], How], Iterable[tuple[Place, str]]]
Engine = Callable[[Any], Any]  # turns a `Make` into one that does the same work elsewhere


def here(make: Any) -> Any:
    """The engine of this process: returns `make` itself."""
    return make


def made_all(
    store: Store,
    stage: str,
    make: Make[Arguments, One, How],
    arguments: Arguments,
    each: Mapping[str, One],
    speed: How,
    key_of: Callable[[Path], str],
) -> Iterator[Result]:
    """`made` for many entries: `each` maps names to the arguments of single entries, `arguments` are common to all.

    `make(arguments, places, speed)` receives (place, arguments of one) for each missing entry, and yields the place
    with "" once it is filled, or with the reason why it was not. `key_of` reads the key recorded in an entry.
    """
    common = {**made_by(make.__module__), "arguments": arguments}
    keys = {name: digest({**common, "each": one}) for name, one in each.items()}
    with store.lock(f"{stage}-{digest(common)}", stage), integrity.explain_disk_errors(store.root, store.scratch):
        lacking = {}
        for name, key in keys.items():
            if found := store.find_made(stage, key, key_of):
                yield Result(name, found)
            else:
                lacking[key] = name
        places = ((Place(store, stage, key, store.aside()), each[name]) for key, name in lacking.items())
        for place, reason in make(arguments, places, speed) if lacking else ():
            if reason:
                integrity.raise_if_disk_failed(store.root, store.scratch, reason)  # a full disk is not the clip's fault
                yield Result(lacking[place.key], None, reason=reason)
            else:
                store.finish(place.path, stage, place.key, {**_facts(speed), **place.how})
                yield Result(lacking[place.key], store.get(stage, place.key), new=True)
            shutil.rmtree(place.path.parent, ignore_errors=True)


def _facts(speed: Any) -> dict[str, str]:
    """The facts for an entry's note: all of `speed`, and the number of threads, which affects rounding."""
    torch = sys.modules.get("torch")  # not every maker imports it
    threads = torch.get_num_threads() if torch else os.environ.get("OMP_NUM_THREADS", "")
    fields = {field.name: str(getattr(speed, field.name)) for field in dataclasses.fields(speed)} if speed else {}
    return {"threads": str(threads), **fields}


NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def publish(entry: Path, output: Path) -> None:
    """Publish `entry`, a file or a folder, as `output`: by hard links, or copies where links fail."""
    if entry.is_dir():
        for file in files_of(entry):
            publish(file, output / file.relative_to(entry))
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    try:
        os.link(entry, output)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        try:
            shutil.copy(entry, output)
        except OSError:
            output.unlink(missing_ok=True)
            raise


def fresh(folder: Path) -> Path:
    """Make `folder` new and empty, as DVC leaves outputs before a stage runs."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder

"""The only way into the work store: a result is found by all that decides it, or made aside and kept; and published."""

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
How = TypeVar("How")  # what moves speed, and at most the rounding of sums: device, workers, labels; it is in no key


@dataclass(frozen=True)
class Place:
    """Where a result is made: nothing is at `path` yet; a file that says what made it says `key`.

    `how` is for the entry's note, where another machine than this one made it.
    """

    store: Store
    stage: str
    key: str
    path: Path
    how: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def keep(self) -> Iterator[Path]:
        """A path to write at, for what a run goes on from after a kill; it replaces what was kept before."""
        with self.store.create(self._kept, self.key) as aside:
            yield aside

    def kept(self) -> Path | None:
        """What a killed run of the same recipe kept."""
        return self.store.find(self._kept, self.key)

    @property
    def _kept(self) -> str:
        return f"{self.stage}-epoch"


@dataclass(frozen=True)
class Made:
    """An entry, its key, whether it is new, and the seconds that it took, without the wait for other processes."""

    path: Path
    key: str
    new: bool
    seconds: float


@dataclass(frozen=True)
class Result:
    """What became of one of many: its entry, or None and the reason."""

    name: str
    path: Path | None
    new: bool = False
    reason: str = ""


def key_of(make: Callable[..., None], arguments: Any) -> str:
    """The key of what `make` makes of `arguments`."""
    return digest({**made_by(make.__module__), "arguments": arguments})


def made(
    store: Store, stage: str, make: Callable[[Place, Arguments, How], None], arguments: Arguments, speed: How
) -> Made:
    """The entry of `make(place, arguments, speed)`, found in `store` or made now; `speed` is a dataclass, or None.

    Its key holds the code that the module of `make` imports, the versions of its libraries, and all of `arguments`.
    """
    key = key_of(make, arguments)
    with store.lock(f"{stage}-{key}", stage):
        started, found = time.monotonic(), store.find(stage, key)
        if found is None:
            with store.create(stage, key, _facts(speed)) as aside:
                make(Place(store, stage, key, aside), arguments, speed)
            store.discard(f"{stage}-epoch", key)
        return Made(found or store.get(stage, key), key, found is None, time.monotonic() - started)


Make = Callable[[Arguments, Iterator[tuple[Place, One]], How], Iterable[tuple[Place, str]]]
Engine = Callable[[Any], Any]  # from a `Make` to one that does the same somewhere else


def here(make: Any) -> Any:
    """The engine of this process: `make` itself."""
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
    """`made` for many at once: `each` has the arguments of one entry by its name, `arguments` is common to all.

    `make(arguments, places, speed)` takes (place, arguments of one) for those that are missing, and yields each place
    with "" when it is filled, or with the reason why it is not. `key_of` reads the key that an entry says.
    """
    common = {**made_by(make.__module__), "arguments": arguments}
    keys = {name: digest({**common, "each": one}) for name, one in each.items()}
    with store.lock(f"{stage}-{digest(common)}", stage), integrity.disk_named(store.root, store.scratch):
        lacking = {}
        for name, key in keys.items():
            if found := store.find_made(stage, key, key_of):
                yield Result(name, found)
            else:
                lacking[key] = name
        places = ((Place(store, stage, key, store.aside()), each[name]) for key, name in lacking.items())
        for place, reason in make(arguments, places, speed) if lacking else ():
            if reason:
                integrity.blame(store.root, store.scratch, reason)  # where the disk is full, no clip is at fault
                yield Result(lacking[place.key], None, reason=reason)
            else:
                store.finish(place.path, stage, place.key, {**_facts(speed), **place.how})
                yield Result(lacking[place.key], store.get(stage, place.key), new=True)
            shutil.rmtree(place.path.parent, ignore_errors=True)


def _facts(speed: Any) -> dict[str, str]:
    """What the note of an entry says of how it was made: all of `speed`, and the threads that sums are split among."""
    torch = sys.modules.get("torch")  # imported or not, by what makes the entry
    threads = torch.get_num_threads() if torch else os.environ.get("OMP_NUM_THREADS", "")
    fields = {field.name: str(getattr(speed, field.name)) for field in dataclasses.fields(speed)} if speed else {}
    return {"threads": str(threads), **fields}


NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def publish(entry: Path, output: Path) -> None:
    """Make `output` (a file or a folder) the same bytes as `entry`: a hard link, or a copy where links fail."""
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
    """An empty output folder, as DVC leaves it before a stage runs."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder

"""Maintenance of the work store: remove unused entries, find damaged ones and all links to them."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tavlad import console
from tavlad.store.integrity import files_of
from tavlad.store.locking import sweep_foreign_folders
from tavlad.store.store import Store

Inode = tuple[int, int]


@dataclass
class Verdict:
    """The result of a full check: counts of entries, links that were removed, objects that are left to the user."""

    sound: int = 0
    unknown: int = 0  # entries without a note
    damaged: list[tuple[str, str]] = field(default_factory=list)  # entries, and how each differs from its note
    removed: list[Path] = field(default_factory=list)
    objects: list[Path] = field(default_factory=list)  # damaged objects of DVC's cache that are not in the store


def prune_entries(store: Store, everything: bool) -> tuple[int, int]:
    """Remove the entries without other hard links, or `everything`; return how many, and their bytes.

    Scratch folders of other machines are removed after a week; `everything` includes the cached digests of videos.
    """
    sweep_foreign_folders(store.root / "tmp")
    for file in (store.root / "digests").iterdir() if everything else ():
        file.unlink(missing_ok=True)
    removed, weight = 0, 0
    for stage, entry in store.entries():
        states = [file.stat() for file in files_of(entry)]
        if everything or all(state.st_nlink == 1 for state in states):
            removed, weight = removed + 1, weight + sum(state.st_size for state in states)
            if stage == "damaged":
                shutil.rmtree(entry.parent)
            else:
                store.discard(stage, entry.name)
    return removed, weight


def verify_entries(store: Store, cache: Path | None, outputs: Path) -> Verdict:
    """Read every entry and every object of DVC's `cache`; remove damaged entries with their links there and in
    `outputs`, so that their stages run again. Damaged objects outside the store are only reported: they may be the
    user's own data."""
    verdict, sound = Verdict(), set[Inode]()
    entries = store.entries()
    for stage, entry in console.track(entries, "store", len(entries), "entries"):
        if stage == "damaged":
            verdict.damaged.append((entry.name, "was found damaged by a stage and set aside"))
        elif stage.endswith("-epoch"):  # may be replaced at any moment; checked when training resumes from it
            continue
        elif reason := store.fault(stage, entry.name, thorough=True):
            verdict.damaged.append((f"{stage}/{entry.name}", reason))
            store.set_aside(stage, entry.name, reason)
        elif store.noted(stage, entry.name):
            verdict.sound += 1
            sound |= {_inode(file) for file in files_of(entry)}
        else:
            verdict.unknown += 1
    _remove_links(store, [*_objects(cache), *_below(outputs, store.root)], verdict)
    objects = [path for path in _objects(cache) if _inode(path) not in sound]
    for path in console.track(objects, "DVC's cache", len(objects), "objects"):
        if _md5(path) != path.parent.name + path.name.removesuffix(".dir"):
            verdict.objects.append(path)
    return verdict


def _remove_links(store: Store, places: Iterable[Path], verdict: Verdict) -> None:
    """Remove the files in `places` that link to entries set aside as damaged, then those entries."""
    aside = [entry for stage, entry in store.entries() if stage == "damaged"]
    wrong = {_inode(file) for entry in aside for file in files_of(entry)}
    for path in places:
        if _inode(path) in wrong:
            path.unlink()
            verdict.removed.append(path)
    for entry in aside:
        shutil.rmtree(entry.parent)


def _objects(cache: Path | None) -> list[Path]:
    return [] if cache is None else sorted(cache.glob("[0-9a-f][0-9a-f]/*"))


def _below(outputs: Path, store: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(outputs):
        kept = (store, outputs.absolute() / "raw")  # the user's own videos
        names[:] = [name for name in names if Path(folder, name).absolute() not in kept]
        yield from (Path(folder, name) for name in files)


def _inode(path: Path) -> Inode:
    state = path.lstat()
    return state.st_dev, state.st_ino


def _md5(path: Path) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()

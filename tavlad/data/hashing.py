"""The digest of each video, by which stages detect changes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tavlad.console import bar
from tavlad.data.indexing import raise_all
from tavlad.data.listing import Problem
from tavlad.data.table import Clip
from tavlad.store.integrity import Digests
from tavlad.store.store import Store


def hashed(root: Path, clips: Sequence[Clip], store: Store) -> list[Clip]:
    """Return `clips` with the SHA-256 of each present file; `InputError` names the files that cannot be read.

    Files that have not changed since an earlier run are not read again: `store` caches their digests.
    """
    present = sorted({clip.path for clip in clips if clip.status == "present"})  # a reversal shares its original's file
    digests: dict[str, str] = {}
    problems: list[Problem] = []
    remembered = Digests(root, store.root / "digests")

    def attempt(path: str) -> str | OSError:
        try:
            return remembered.of(path)
        except OSError as error:
            return error

    try:
        with ThreadPoolExecutor() as pool, bar("index: hashing", len(present), "clips") as advance:
            for path, result in zip(present, pool.map(attempt, present), strict=True):
                if isinstance(result, OSError):
                    problems.append((path, f"cannot be read: {result.strerror}"))
                else:
                    digests[path] = result
                advance()
    finally:
        remembered.save(store.scratch / "digests")
    raise_all(problems)
    return [replace(clip, digest=digests.get(clip.path, "")) for clip in clips]

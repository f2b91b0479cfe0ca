"""Find the videos that a list of files and folders refers to."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tavlad.data.listing import is_video, visible
from tavlad.errors import InputError


class Videos:
    """The `paths` of all videos in `named`, without duplicates, in a stable order; `others` are the non-videos.

    A file that is named itself counts as a video whatever its suffix. Folders are searched recursively for files with
    a video suffix, sorted by name, without hidden ones; each folder is entered once, even if links lead to it again.
    InputError names all folders that cannot be read.
    """

    def __init__(self, named: Iterable[str]):
        self.others: list[str] = []
        self._entered: set[tuple[int, int]] = set()
        self._unreadable: list[tuple[str, str]] = []
        self.paths = list(dict.fromkeys(str(path) for name in named for path in self._meant(Path(name))))
        if self._unreadable:
            raise InputError("some folders cannot be read", self._unreadable, "Nothing was done yet.")

    def _meant(self, path: Path) -> Iterator[Path]:
        if os.path.isdir(path):
            yield from self._within(path)
        else:
            yield path

    def _within(self, folder: Path) -> Iterator[Path]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._entered:
                return
            self._entered.add((status.st_dev, status.st_ino))
            inside = visible(folder)
        except OSError as error:
            self._unreadable.append((str(folder), error.strerror or str(error)))
            return
        for path in inside:
            if os.path.isdir(path):
                yield from self._within(path)
            elif is_video(path.name):
                yield path
            else:
                self.others.append(path.name)


def listed(data: bytes) -> list[str]:
    """The paths in a list: one per line, or separated by NUL bytes (`find -print0`) if it contains any."""
    parts = data.split(b"\0") if b"\0" in data else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(part) for part in parts if part]

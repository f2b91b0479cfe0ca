"""The layout of HMDB51: `<class>_test_split<k>.txt` for each class and split, and one folder per class."""

import re
from pathlib import Path

from tavlad.data.listing import Layout, Listing, Official, misplaced, read_lines, visible
from tavlad.data.lists import Lists, lists_folder, locate

LIST_NAME = re.compile(r"(.+)_test_split[123]\.txt")
LINE = re.compile(r"(.+\.\w+)\s+([012])")


def read_hmdb51(root: Path) -> Listing:
    """List the three official splits; `InputError` if the lists are not found, other problems are in the listing.

    In the lists 1 is train, 2 is test and 0 unused; a video unused in all three splits is left out.
    """
    folder = lists_folder(root, "*_test_split[123].txt")
    names = [LIST_NAME.fullmatch(file.name) for file in visible(folder)]
    lists = Lists(sorted({match[1] for match in names if match}))
    for name in lists.classes:
        for split in range(3):
            _read_list(folder / f"{name}_test_split{split + 1}.txt", name, split, lists)
    return locate(root, lists)


def _read_list(path: Path, label: str, split: int, lists: Lists) -> None:
    for place, text in read_lines(path, lists.problems):
        match = LINE.fullmatch(text)
        name = f"{label}/{match[1]}" if match else ""
        reason = misplaced(name) if match else f"'{text}' is not <file> <0, 1 or 2>"
        if match is None or reason:
            lists.problems.append((place, reason))
        else:
            (lists.unused, lists.train[split], lists.test[split])[int(match[2])].append(name)


def movie(clip: str, label: str, name: str) -> str | None:
    """The group of the video file `name`: class and movie (the part before `_<class>_`), or None.

    The official splits keep a movie on one side only within each class (150 movies are in both train and test of split
    2, in different classes), so the class is part of the group.
    """
    before, found, _ = name.rpartition(f"_{label}_")
    return f"{label}/{before}" if found else None


def unused(root: Path) -> set[str]:
    """The videos, as "<class>/<file>", that are in the data set but in no split; the pipeline never reads them."""
    names = set()
    for file in visible(lists_folder(root, OFFICIAL.lists)):
        if label := LIST_NAME.fullmatch(file.name):
            lines = [LINE.fullmatch(text) for _, text in read_lines(file, [])]
            names |= {f"{label[1]}/{line[1]}" for line in lines if line}
    return names


OFFICIAL = Official("HMDB51", "*_test_split[123].txt", "brush_hair", 51, 6_766, ((3_570, 1_530),) * 3)
LAYOUT = Layout(read_hmdb51, movie, OFFICIAL, unused)

"""The layout of UCF101: classInd.txt, trainlist01..03.txt, testlist01..03.txt, and one folder per class."""

import re
from pathlib import Path

from tavlad.data.listing import Layout, Listing, Official, Problem, misplaced, read_lines
from tavlad.data.lists import Lists, lists_folder, locate

GROUP = re.compile(r"_(g\d+)_")
CLASS_LINE = re.compile(r"(\d+)\s+(.+)")
VIDEO_LINE = re.compile(r"(.+\.\w+)(?:\s+(\d+))?")


def read_ucf101(root: Path) -> Listing:
    """List the three official splits; `InputError` if the lists are not found, other problems are in the listing."""
    folder = lists_folder(root, "classInd.txt")
    problems: list[Problem] = []
    numbers = _classes(folder, problems)
    lists = Lists(list(numbers), problems=problems)
    for split in range(3):
        for part, file in ((lists.train, "trainlist"), (lists.test, "testlist")):
            part[split] = _videos(folder / f"{file}{split + 1:02}.txt", numbers, problems)
    return locate(root, lists)


def _classes(folder: Path, problems: list[Problem]) -> dict[str, int]:
    """The official class numbers, in the order of the file."""
    numbers: dict[str, int] = {}
    for place, text in read_lines(folder / "classInd.txt", problems):
        match = CLASS_LINE.fullmatch(text)
        if match is None:
            problems.append((place, f"'{text}' is not <number> <class>"))
        elif match[2] in numbers or int(match[1]) in numbers.values():
            problems.append((place, f"'{text}' repeats a class or a number"))
        else:
            numbers[match[2]] = int(match[1])
    return numbers


def _videos(path: Path, numbers: dict[str, int], problems: list[Problem]) -> list[str]:
    """The videos of one list; a number after a video must be that of its class."""
    known = {name.casefold(): number for name, number in numbers.items()}
    videos = []
    for place, text in read_lines(path, problems):
        match = VIDEO_LINE.fullmatch(text)
        reason = misplaced(match[1]) if match else f"'{text}' is not <class>/<file> [<number>]"
        if match and not reason:
            name = match[1].split("/")[0]
            number = known.get(name.casefold())
            if number is None:
                reason = f"class '{name}' is not in classInd.txt"
            elif match[2] and int(match[2]) != number:
                reason = f"says class {match[2]}, but '{name}' is class {number} in classInd.txt"
        if match and not reason:
            videos.append(match[1])
        else:
            problems.append((place, reason))
    return videos


def scene(clip: str, label: str, name: str) -> str | None:
    """The gNN of the file name: clips of the same scene and actors, across classes."""
    match = GROUP.search(name)
    return match[1] if match else None


LAYOUT = Layout(
    read_ucf101,
    scene,
    Official("UCF101", "classInd.txt", "ApplyEyeMakeup", 101, 13_320, ((9_537, 3_783), (9_586, 3_734), (9_624, 3_696))),
)

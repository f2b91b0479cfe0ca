"""Official lists of videos, and their listing once the videos are found on disk."""

from dataclasses import dataclass, field
from pathlib import Path

from tavlad.console import quantity
from tavlad.data.listing import Listing, Problem, is_video, places, visible
from tavlad.data.table import Split, clip_id
from tavlad.errors import InputError


@dataclass
class Lists:
    """The official lists as written: videos of known classes as "<class>/<file>", in the order of the lines."""

    classes: list[str]
    train: list[list[str]] = field(default_factory=lambda: [[], [], []])
    test: list[list[str]] = field(default_factory=lambda: [[], [], []])
    unused: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def locate(root: Path, lists: Lists) -> Listing:
    """Find the videos of `lists` in the class folders of `root`, or of one folder in it.

    If no file matches the listed spelling, one that differs only in case is used: UCF101's HandstandPushups.
    """
    used = [name for part in (*lists.train, *lists.test) for name in part]
    listed = {name.casefold() for name in (*used, *lists.unused)}
    home, files = _home(root, lists.classes, listed, lists.problems)
    spelled = {name.casefold(): name for name in sorted(files)}
    prefix = "" if home == root else f"{home.name}/"

    def path(name: str) -> str:
        return prefix + (name if name in files else spelled.setdefault(name.casefold(), name))

    paths = {name: path(name) for name in used}
    known = {name.casefold(): name for name in lists.classes}
    splits = [
        Split(tuple(clip_id(paths[name]) for name in train), (), tuple(clip_id(paths[name]) for name in test))
        for train, test in zip(lists.train, lists.test, strict=True)
    ]
    labels = {found: known[name.split("/")[0].casefold()] for name, found in paths.items()}
    missing = {found for found in labels if found.removeprefix(prefix) not in files}
    return Listing(lists.classes, labels, missing, splits, lists.problems, _notes(lists, files, listed, set(used)))


def _home(root: Path, classes: list[str], listed: set[str], problems: list[Problem]) -> tuple[Path, set[str]]:
    """The one folder whose class folders contain listed videos, and all its videos as "<class>/<file>"."""
    names = {name.casefold() for name in classes}
    found = {}
    for place in places(root):
        folders = [folder for folder in visible(place) if folder.is_dir() and folder.name.casefold() in names]
        files = {f"{file.parent.name}/{file.name}" for folder in folders for file in visible(folder) if file.is_file()}
        if any(name.casefold() in listed for name in files):
            found[place] = {name for name in files if is_video(name) or name.casefold() in listed}
    if len(found) > 1:
        problems.append((str(root), f"listed videos are in several folders: {', '.join(map(str, found))}; keep one"))
    if not found:
        problems.append((str(root), "no listed video is in <class>/ or <folder>/<class>/ below it"))
    return next(iter(found.items()), (root, set()))


def _notes(lists: Lists, files: set[str], listed: set[str], used: set[str]) -> list[str]:
    unused, unlisted = len(set(lists.unused) - used), sum(name.casefold() not in listed for name in files)
    notes = [f"{quantity(unused, 'listed video')} not in any split"] if unused else []
    return notes + ([f"{quantity(unlisted, 'video')} on disk not in any list"] if unlisted else [])


def lists_folder(root: Path, pattern: str) -> Path:
    """The folder, `root` or one in it, with files that match the glob `pattern`; `InputError` unless there is one."""
    found = [place for place in places(root) if any(file.match(pattern) for file in visible(place))]
    if len(found) == 1:
        return found[0]
    reason = f"is in several folders: {', '.join(map(str, found))}" if found else f"is not in {root} or a folder there"
    advice = "Keep the official lists in one folder; dataset.layout: folders is for videos without lists."
    raise InputError("index: no train/test lists", [(pattern, reason)], advice)

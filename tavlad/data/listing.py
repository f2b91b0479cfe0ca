"""What a layout is, what it says about a data set, and where on the disk the listed videos lie."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tavlad.data.table import SPLITS, Split, clip_id
from tavlad.errors import InputError

VIDEO_SUFFIXES = {  # what FFmpeg reads, but for suffixes that mostly stills (.png, .avif) or sound (.ogg) have
    *(".264", ".265", ".3g2", ".3gp", ".apng", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264"),
    *(".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mod", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts"),
    *(".vob", ".webm", ".wmv", ".wtv", ".xvid", ".y4m"),
}
SHOWN = 6  # suffixes that are counted by name: frames saved as clip.0001, clip.0002 have one each
Problem = tuple[str, str]


@dataclass
class Listing:
    """Classes in label order, each video's label and presence by path, official splits (if any), and what is wrong."""

    classes: list[str]
    labels: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    splits: list[Split] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Lists:
    """The official lists as they stand: videos as "<class>/<file>", whose class is known, in the order of the lines."""

    classes: list[str]
    train: list[list[str]] = field(default_factory=lambda: [[], [], []])
    test: list[list[str]] = field(default_factory=lambda: [[], [], []])
    unused: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Official:
    """A published data set: the files and the class that its lists are known by, and its counts.

    Lists without `first`, the first class, are a user's own in the same form, such as the demo's. `splits` hold the
    numbers of clips that train and that are held out.
    """

    title: str
    lists: str
    first: str
    classes: int
    clips: int
    splits: tuple[tuple[int, int], ...]


def no_video(root: Path) -> set[str]:
    """Of most layouts, all that lists name is in a split."""
    return set()


@dataclass(frozen=True)
class Layout:
    """A way in which data sets lie on a disk.

    `read` makes the listing of a root; `group` gives the group of a video by the rule of the layout, from its clip id,
    label and file name, None where there is none; `official` is None where there are no lists, so that folds are drawn.
    `unused` are the videos that the lists of a root name, and that no split uses. `splits` names those that it has.
    """

    read: Callable[[Path], Listing]
    group: Callable[[str, str, str], str | None]
    official: Official | None = None
    unused: Callable[[Path], set[str]] = no_video
    splits: tuple[str, ...] = SPLITS


def locate(root: Path, lists: Lists) -> Listing:
    """The listing of `lists`, its videos found in the class folders of `root` or of one folder in it.

    Where no file has the listed spelling, one that differs only in capitals is taken: UCF101's HandstandPushups.
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
    """The one folder whose class folders hold listed videos, and all videos there as "<class>/<file>"."""
    names = {name.casefold() for name in classes}
    found = {}
    for place in places(root):
        folders = [folder for folder in visible(place) if folder.is_dir() and folder.name.casefold() in names]
        files = {f"{file.parent.name}/{file.name}" for folder in folders for file in visible(folder) if file.is_file()}
        if any(name.casefold() in listed for name in files):
            found[place] = {name for name in files if is_video(name) or name.casefold() in listed}
    if len(found) > 1:
        problems.append((str(root), f"listed videos lie in several folders: {', '.join(map(str, found))}; keep one"))
    if not found:
        problems.append((str(root), "no listed video is in <class>/ or <folder>/<class>/ below it"))
    return next(iter(found.items()), (root, set()))


def _notes(lists: Lists, files: set[str], listed: set[str], used: set[str]) -> list[str]:
    unused, unlisted = len(set(lists.unused) - used), sum(name.casefold() not in listed for name in files)
    counts = {"listed videos are in no split": unused, "videos on disk are in no list": unlisted}
    return [f"{count:,} {text}" for text, count in counts.items() if count]


def lists_folder(root: Path, pattern: str) -> Path:
    """The one folder, `root` or a folder in it, with a file that matches the glob `pattern`; else `InputError`."""
    found = [place for place in places(root) if any(file.match(pattern) for file in visible(place))]
    if len(found) == 1:
        return found[0]
    reason = f"lies in several: {', '.join(map(str, found))}" if found else f"is not in {root} or a folder there"
    advice = "Keep the official lists in one folder; dataset.layout: folders is for videos without lists."
    raise InputError("index: no train/test lists", [(pattern, reason)], advice)


def read_lines(path: Path, problems: list[Problem]) -> list[tuple[str, str]]:
    """`(place, text)` of each line that is not blank, CRLF or LF; a file that cannot be read is a problem."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        problems.append((path.name, "this list is missing"))
        return []
    except UnicodeDecodeError as error:
        problems.append((path.name, f"is not UTF-8 text: {error.reason} at byte {error.start}"))
        return []
    return [(f"{path.name}:{number}", line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def misplaced(name: str) -> str:
    """Why the listed `name` is no "<class>/<file>" below the root, or ""."""
    path = PurePosixPath(name)
    # Links are followed, wherever they point: DVC itself replaces videos by links into its cache.
    if path.is_absolute() or ".." in path.parts:
        return f"'{name}' leaves the data set's root"
    return "" if name.count("/") == 1 else f"'{name}' is not <class>/<file>"


def places(root: Path) -> list[Path]:
    """`root` and the folders in it, hidden ones left out."""
    return [root, *(folder for folder in visible(root) if folder.is_dir())]


def visible(folder: Path) -> list[Path]:
    """What lies in `folder`, sorted, hidden entries left out (archives made on a Mac bring `._<name>` twins)."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def is_video(name: str) -> bool:
    """Whether the suffix is one that videos have."""
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def count_suffixes(names: list[str]) -> str:
    """ "3 .txt, 1 .xyz" for the suffixes of `names`, the most frequent ones."""
    counts = Counter(PurePosixPath(name).suffix.lower() or "without suffix" for name in names)
    named = dict(counts.most_common(SHOWN))
    parts = [f"{count:,} {printable(suffix)}" for suffix, count in sorted(named.items())]
    others = len(names) - sum(named.values())
    return ", ".join([*parts, f"{others:,} others"] if others else parts)


def printable(text: str) -> str:
    """`text` with the bytes of a file name that are not UTF-8 as escapes."""
    return text.encode(errors="backslashreplace").decode()

"""What a layout is, and the listing of a data set's videos that it reads."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tavlad.data.table import SPLITS, Split

VIDEO_SUFFIXES = {  # what FFmpeg reads, except suffixes mostly used for stills (.png, .avif) or sound (.ogg)
    *(".264", ".265", ".3g2", ".3gp", ".apng", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264"),
    *(".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mod", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts"),
    *(".vob", ".webm", ".wmv", ".wtv", ".xvid", ".y4m"),
}
SHOWN = 6  # suffixes to list by name: frames saved as clip.0001, clip.0002, ... each have their own
UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, bytes that are not UTF-8, line and paragraph separators
Problem = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """A clip as given by the line at `place` of a list: its file, group, and the start and end of a segment (s)."""

    place: str
    path: str
    group: str
    start: str
    end: str


@dataclass
class Listing:
    """Classes in label order, labels by clip name, missing clips, official splits (if any), and what is wrong.

    A clip's name is its path or, for a segment (in `entries`), its id with the suffix of its file.
    """

    classes: list[str]
    labels: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    splits: list[Split] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Official:
    """A published data set: the glob and the first class that identify its lists, and its counts.

    Lists without the class `first` are a user's own in the same format, such as the demo's. `splits` holds the numbers
    of training and test clips of each split.
    """

    title: str
    lists: str
    first: str
    classes: int
    clips: int
    splits: tuple[tuple[int, int], ...]


def no_video(root: Path) -> set[str]:
    """The default of `Layout.unused`: every listed video is in a split."""
    return set()


def three_splits(root: Path) -> Sequence[str]:
    """The default of `Layout.splits`."""
    return SPLITS


@dataclass(frozen=True)
class Layout:
    """How a data set is laid out on disk.

    `read` makes the listing of a root. `group` derives a video's group from its clip id, label and file name, None if
    it has none. `official` is None for layouts without lists, whose folds are drawn. `unused` returns the listed videos
    of a root that no split uses, `splits` the names of its splits.
    """

    read: Callable[[Path], Listing]
    group: Callable[[str, str, str], str | None]
    official: Official | None = None
    unused: Callable[[Path], set[str]] = no_video
    splits: Callable[[Path], Sequence[str]] = three_splits


def read_lines(path: Path, problems: list[Problem]) -> list[tuple[str, str]]:
    """`(place, text)` of each non-blank line (LF or CRLF); a file that cannot be read is added to `problems`."""
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
    """Why the listed `name` is not a "<class>/<file>" below the root, or ""."""
    path = PurePosixPath(name)
    # Links are followed wherever they point: DVC itself replaces videos with links into its cache.
    if path.is_absolute() or ".." in path.parts:
        return f"'{name}' leaves the data set's root"
    return "" if name.count("/") == 1 else f"'{name}' is not <class>/<file>"


def places(root: Path) -> list[Path]:
    """`root` and the folders directly in it, without hidden ones."""
    return [root, *(folder for folder in visible(root) if folder.is_dir())]


def visible(folder: Path) -> list[Path]:
    """The contents of `folder`, sorted, without hidden entries (archives made on a Mac contain `._<name>` twins)."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def is_video(name: str) -> bool:
    """Whether `name` has a video suffix."""
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def count_suffixes(names: list[str]) -> str:
    """Count the most frequent suffixes of `names`: "3 .txt, 1 .xyz"."""
    counts = Counter(PurePosixPath(name).suffix.lower() or "without suffix" for name in names)
    named = dict(counts.most_common(SHOWN))
    parts = [f"{count:,} {printable(suffix)}" for suffix, count in sorted(named.items())]
    others = len(names) - sum(named.values())
    return ", ".join([*parts, f"{others:,} others"] if others else parts)


def unwritable(text: str) -> bool:
    """Whether a name contains what a table cannot hold: control characters, or bytes that are not UTF-8."""
    return any(unicodedata.category(letter) in UNWRITABLE for letter in text)


def printable(text: str) -> str:
    """`text` with escapes for the bytes of a file name that are not UTF-8."""
    return text.encode(errors="backslashreplace").decode()

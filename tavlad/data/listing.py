"""What a layout is, what it says about a data set, and where on the disk the listed videos lie."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tavlad.data.table import SPLITS, Split

VIDEO_SUFFIXES = {  # what FFmpeg reads, but for suffixes that mostly stills (.png, .avif) or sound (.ogg) have
    *(".264", ".265", ".3g2", ".3gp", ".apng", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264"),
    *(".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mod", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts"),
    *(".vob", ".webm", ".wmv", ".wtv", ".xvid", ".y4m"),
}
SHOWN = 6  # suffixes that are counted by name: frames saved as clip.0001, clip.0002 have one each
UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, bytes that are not UTF-8, line and paragraph separators
Problem = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """What the line at `place` of a list says of a clip: its file, group, and where a segment starts and ends (s)."""

    place: str
    path: str
    group: str
    start: str
    end: str


@dataclass
class Listing:
    """Classes in label order, each clip's label and presence by name, official splits (if any), and what is wrong.

    A clip's name is its path, or in `entries`, for a segment, its id with the suffix of its file.
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


def three_splits(root: Path) -> Sequence[str]:
    """The names of the splits of most layouts."""
    return SPLITS


@dataclass(frozen=True)
class Layout:
    """A way in which data sets lie on a disk.

    `read` makes the listing of a root; `group` gives the group of a video by the rule of the layout, from its clip id,
    label and file name, None where there is none; `official` is None where there are no lists, so that folds are drawn.
    `unused` are the videos that the lists of a root name, and that no split uses. `splits` names those of a root.
    """

    read: Callable[[Path], Listing]
    group: Callable[[str, str, str], str | None]
    official: Official | None = None
    unused: Callable[[Path], set[str]] = no_video
    splits: Callable[[Path], Sequence[str]] = three_splits


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


def unwritable(text: str) -> bool:
    """Whether a name holds what no table has room for, control characters, or bytes that are not UTF-8."""
    return any(unicodedata.category(letter) in UNWRITABLE for letter in text)


def printable(text: str) -> str:
    """`text` with the bytes of a file name that are not UTF-8 as escapes."""
    return text.encode(errors="backslashreplace").decode()

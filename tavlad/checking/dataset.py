"""Compares the lists of a data set with the files on disk."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tavlad.data import indexing
from tavlad.data.layouts import labels
from tavlad.data.layouts.folders import fixed_split
from tavlad.data.listing import Entry, Layout, Listing, Official, Problem, is_video, places, visible
from tavlad.data.reversal import both_ways
from tavlad.data.selection import Rules
from tavlad.data.table import SPLITS, Split, clip_id
from tavlad.errors import InputError
from tavlad.params import available_cpus
from tavlad.video.ends import segments_beyond

Row = tuple[str, int, int | None]  # name, count on disk, official count (None if there is none)


@dataclass(frozen=True)
class Inventory:
    """The contents of a data set, by its lists and on disk; videos are sorted paths relative to the root.

    `labels` has the class of every video that the pipeline would use. `present` and `missing` are the listed videos
    (for HMDB51 including those in no split), `extra` the videos in no list. `summary` is what stage index would print,
    or "" if it would fail because of `problems`. Each video gives `copies` clips: 2 if `splits` include its reversal.
    For layout csv, clip names replace the paths, which are in `entries`; missing files are among the problems, with
    their line numbers.
    """

    layout: str
    official: Official | None
    classes: list[str]
    labels: dict[str, str]
    splits: list[Split]
    present: list[str]
    missing: list[str]
    extra: list[str]
    problems: list[Problem]
    summary: str
    copies: int
    entries: dict[str, Entry]

    @property
    def title(self) -> str:
        """The name of the data set."""
        return self.official.title if self.official else f"data set of layout {self.layout}"

    def rows(self) -> list[Row]:
        """The counts of videos on disk, with the official counts."""
        official = self.official
        classes = {self.labels[path] for path in self.present if path in self.labels}
        rows: list[Row] = [
            ("classes with clips", len(classes), official.classes if official else None),
            ("clips", len(self.present), official.clips if official else None),
        ]
        ids = {clip_id(path) for path in self.present}
        for number, split in enumerate(self.splits):
            for name in (part for part, listed in split.parts().items() if listed or part != "validation"):
                found = len(ids.intersection(split.parts()[name]))
                right = official.splits[number][("train", "test").index(name)] if official else None
                rows.append((f"{SPLITS[number]} {name}", found, right))
        return rows


def layout_of(root: Path) -> str:
    """The layout whose lists are in `root` or a folder there; `InputError` if there are two.

    Without lists it is "csv" if `root` contains labels.csv, "split_folders" if train/ and test/ contain folders, else
    "folders".
    """
    files = [file for place in places(root) for file in visible(place)]
    known = {name: layout.official for name, layout in indexing.LAYOUTS.items() if layout.official}
    found = [name for name, official in known.items() if any(file.match(official.lists) for file in files)]
    if len(found) > 1:
        names = [(known[name].title, f"its lists ({known[name].lists}) are in {root}") for name in found]
        raise InputError("check: two data sets in one folder", names, "Check each data set's folder separately.")
    if not found and (root / labels.FILE).is_file():
        return "csv"
    return found[0] if found else "split_folders" if fixed_split(root) else "folders"


def take(root: Path, layout: str, rules: Rules) -> Inventory:
    """Take the inventory of `root` under the `rules` of `build_index`.

    For an official data set, all rules but `reverse` are ignored: it is compared with what was published, whatever
    params.yaml excludes. If classes or a limit are selected, only the selection is checked.
    """
    chosen = indexing.LAYOUTS[layout]
    whole = chosen.read(root)
    listing, selected = indexing.selected_of(whole, chosen, rules), bool(rules.classes or rules.limit)
    published = chosen.official and not selected and chosen.official.first in whole.classes
    official = chosen.official if published else None
    rules = Rules(rules.seed, reverse=rules.reverse) if official else rules
    splits = [both_ways(split) for split in listing.splits] if rules.reverse else listing.splits
    problems, summary, copies = list[Problem](), "", 2 if rules.reverse else 1
    try:
        index = indexing.build_index(root, layout, rules, partial(segments_beyond, workers=available_cpus()))
        splits, summary = index.splits, index.summary()
    except InputError as failures:
        problems = list(failures.rows)
    left_out = indexing.ids_left_out(rules.exclude, whole, rules.reverse)
    kept = {path: label for path, label in listing.labels.items() if clip_id(path) not in left_out}
    unused = set() if selected else _unused(root, chosen, listing)
    on_disk = _videos(root) if chosen.official else set()
    missing = (listing.missing & set(kept)) | (unused - on_disk)
    present = sorted((set(kept) | unused) - missing)
    extra = [] if selected else sorted(on_disk - set(listing.labels) - unused)
    if official:
        problems += _deviations(official, listing, len(set(kept) | unused))
    return Inventory(
        layout,
        official,
        listing.classes,
        kept,
        splits,
        present,
        [] if listing.entries else sorted(missing),
        extra,
        problems,
        summary,
        copies,
        listing.entries,
    )


def _deviations(official: Official, listing: Listing, clips: int) -> list[Problem]:
    """The counts in which the lists themselves differ from the official ones."""
    counts = [("classes", len(listing.classes), official.classes), ("clips", clips, official.clips)]
    for name, split, (train, test) in zip(SPLITS, listing.splits, official.splits, strict=True):
        counts += [(f"{name} train", len(split.train), train), (f"{name} test", len(split.test), test)]
    wrong = [row for row in counts if row[1] != row[2]]
    return [(f"lists: {name}", f"{count:,} listed, {right:,} in the official lists") for name, count, right in wrong]


def _unused(root: Path, layout: Layout, listing: Listing) -> set[str]:
    """The paths of the videos that no split uses; they are in the same folders as the others."""
    first = next(iter(listing.labels), "")
    home = first.rsplit("/", 2)[0] + "/" if first.count("/") == 2 else ""
    return {f"{home}{name}" for name in layout.unused(root)} - set(listing.labels)


def _videos(root: Path) -> set[str]:
    """All videos in `root` and down to two levels of folders below it."""
    folders = {folder for place in places(root) for folder in places(place)}
    files = [file for folder in folders for file in visible(folder) if is_video(file.name) and file.is_file()]
    return {file.relative_to(root).as_posix() for file in files}

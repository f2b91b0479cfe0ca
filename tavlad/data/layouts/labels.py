"""The layout of a single table: labels.csv, with one line per clip, a whole video or a segment of one."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from tavlad.data.layouts.folders import own_group
from tavlad.data.listing import Entry, Layout, Listing, Problem, unwritable, visible
from tavlad.data.table import PARTS, SPLITS, Split, clip_id, segment_id
from tavlad.data.times import in_seconds, milliseconds
from tavlad.errors import InputError

FILE = "labels.csv"
NEEDED = ("path", "label")
TIMES = ("start", "end")
COLUMNS = (*NEEDED, *TIMES, "group", "split", *SPLITS)
ADVICE = f"Write {FILE} into dataset.root: a line path,label and one for each clip; docs/segments.md has examples."
SEPARATORS = {";": "semicolons", "\t": "tabs"}
Line = tuple[str, dict[str, str]]  # place in the file, cells by column


def read_labels(root: Path) -> Listing:
    """List the clips and splits of labels.csv in `root`; InputError without it."""
    if not (root / FILE).is_file():
        others = [path.name for path in visible(root) if path.suffix.lower() == ".csv"]
        found = f"; there are {', '.join(others)}: rename yours" if others else ""
        raise InputError("index: no table of clips", [(str(root / FILE), f"is missing{found}")], ADVICE)
    listing = Listing([])
    header, lines = _table(root / FILE, listing)
    columns = _split_columns(header)
    reading = _Reading(root, columns, listing, [{part: [] for part in PARTS} for _ in columns])
    for place, cells in lines:
        reading.take(place, cells)
    listing.problems.sort(key=lambda problem: int(problem[0].partition(":")[2] or 0))
    listing.classes = sorted(set(listing.labels.values()))
    listing.splits = [Split(*map(tuple, parts.values())) for parts in reading.parts]
    if not listing.labels and not listing.problems:
        raise InputError("index: no clips", [(str(root / FILE), "has no line after the header")], ADVICE)
    return listing


def splits_there(root: Path) -> Sequence[str]:
    """The names of the splits of labels.csv: its columns, or the folds that are drawn without them."""
    columns = _split_columns(_table(root / FILE, Listing([]))[0]) if (root / FILE).is_file() else []
    return SPLITS[: len(columns) or len(SPLITS)]


def _table(file: Path, listing: Listing) -> tuple[list[str], list[Line]]:
    """The header and the lines of a table; errors are added to the problems of `listing`."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="strict")
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text ({error.reason} at byte {error.start}): save it as CSV UTF-8"
        listing.problems.append((FILE, reason))
        return [], []
    rows = list(_cells(text, listing.problems))
    header = [cell.casefold() for cell in rows[0][1]] if rows else []
    if wrong := list(_faults_of(header, listing)):
        listing.problems += [(f"{FILE}:{rows[0][0] if rows else 1}", reason) for reason in wrong]
        return [], []
    lines = []
    for number, cells in rows[1:]:
        if len(cells) == len(header):
            lines.append((f"{FILE}:{number}", dict(zip(header, cells, strict=True))))
        else:
            reason = f"has {len(cells)} cells, the header has {len(header)}: quote cells that contain a comma"
            listing.problems.append((f"{FILE}:{number}", reason))
    return header, lines


def _cells(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """The line number and the stripped cells of each non-blank line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        problems.append((f"{FILE}:{reader.line_num}", f"is not a valid CSV line: {error}"))


def _faults_of(header: Sequence[str], listing: Listing) -> Iterator[str]:
    """Why a table with this `header` cannot be read; unknown columns are only noted."""
    lacking = [name for name in NEEDED if name not in header]
    between = next((word for sign, word in SEPARATORS.items() if lacking and sign in "".join(header)), "")
    if between:
        yield f"its columns are separated by {between}: save it with commas, and times with points"
        return
    if lacking:
        yield f"the header has no column {' and no '.join(lacking)}: path and label are required"
    if len(times := [name for name in TIMES if name in header]) == 1:
        yield f"the header has a column {times[0]} only: a segment has a start and an end"
    yield from (f"the header names {name} twice" for name in sorted({one for one in header if header.count(one) > 1}))
    named = _split_columns(header)
    if named != ["split"] and named != list(SPLITS[: len(named)]):
        yield f"the header names {', '.join(named)}: write split, or split1, split2 and split3"
    unknown = [name for name in header if name not in COLUMNS]
    near = {name: get_close_matches(name, COLUMNS, 1) for name in unknown}
    yield from (f"the header names {name}: do you mean {found[0]}?" for name, found in near.items() if found)
    if others := [name or "''" for name in unknown if not near[name]]:
        listing.notes.append(f"ignored the columns {', '.join(others)} of {FILE}")


def _split_columns(header: Sequence[str]) -> list[str]:
    return sorted(name for name in header if name == "split" or name in SPLITS)


@dataclass
class _Reading:
    """The lines read so far; `parts` has the ids of each part for each of the split `columns`."""

    root: Path
    columns: Sequence[str]
    listing: Listing
    parts: list[dict[str, list[str]]]
    groups: dict[str, Entry] = field(default_factory=dict)  # by path: the file's first line
    there: dict[str, bool] = field(default_factory=dict)

    def take(self, place: str, cells: Mapping[str, str]) -> None:
        """Add a line to the listing, or everything that is wrong with it to the problems."""
        path, label = (cells[name] for name in NEEDED)
        path = str(PurePosixPath(path)) if path else ""
        words = [cells[column].casefold() for column in self.columns]
        try:
            start, end = _times(cells)
            wrong = []
        except ValueError as error:
            start, end, wrong = "", "", [str(error)]
        entry = Entry(place, path, cells.get("group", "") or (clip_id(path) if path else ""), start, end)
        wrong += [*_misnamed(path, label), *self._misplaced(words)]
        first = self.groups.setdefault(path, entry)
        if entry.group != first.group:
            wrong.append(f"puts {path} in group {entry.group}, {first.place} in {first.group}: a file has one group")
        name = f"{segment_id(path, start, end)}{PurePosixPath(path).suffix}" if not wrong else ""
        if before := self.listing.entries.get(name):
            wrong.append(f"is the same clip as {before.place}, of class {self.listing.labels[name]} there")
        self.listing.problems += [(place, reason) for reason in wrong]
        if wrong:
            return
        self.listing.labels[name], self.listing.entries[name] = label, entry
        if not self.there.setdefault(path, (self.root / path).is_file()):
            self.listing.missing.add(name)
        for parts, word in zip(self.parts, words, strict=True):
            if word:
                parts[word].append(clip_id(name))

    def _misplaced(self, words: Sequence[str]) -> Iterator[str]:
        for column, word in zip(self.columns, words, strict=True):
            if word and word not in PARTS:
                yield f"{column} says '{word}': write {', '.join(PARTS[:-1])} or {PARTS[-1]}"
        if words and not any(words):
            yield f"is in no part: {', '.join(self.columns)} {'is' if len(words) == 1 else 'are'} empty"


def _times(cells: Mapping[str, str]) -> tuple[str, str]:
    """Start and end in seconds, both "" for a whole video; ValueError says what is wrong."""
    said = [cells.get(name, "") for name in TIMES]
    if not any(said):
        return "", ""
    if not all(said):
        raise ValueError(f"has only one of start and end, '{''.join(said)}': write both, or neither for the whole file")
    start, end = map(milliseconds, said)
    if end <= start:
        raise ValueError(f"ends at {said[1]}, which is not after its start, {said[0]}")
    return in_seconds(start), in_seconds(end)


def _misnamed(path: str, label: str) -> Iterator[str]:
    """What is wrong with the names of a file and its class."""
    yield from (f"has no {name}" for name, text in (("path", path), ("label", label)) if not text)
    if path and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts):
        yield f"'{path}' leaves dataset.root: paths are relative to it"
    elif path and not PurePosixPath(path).suffix:
        yield f"'{path}' has no suffix, such as .mp4"
    yield from (f"{text!a} contains control characters: rename it" for text in (path, label) if unwritable(text))


LAYOUT = Layout(read_labels, own_group, splits=splits_there)

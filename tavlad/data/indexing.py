"""From a data set's folder to its clips and checked splits; the only module that knows all layouts."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tavlad.console import quantity
from tavlad.data import selection, splits
from tavlad.data.groups import group_of, pattern_of
from tavlad.data.layouts import folders, hmdb51, labels, split_folders, ucf101
from tavlad.data.listing import Layout, Listing, Problem, printable, unwritable
from tavlad.data.reversal import (
    Pairs,
    both_ways,
    brought_pairs,
    obstacles,
    reversal,
    reversal_id,
    reversed_class,
)
from tavlad.data.selection import Rules
from tavlad.data.table import PARTS, SPLITS, Clip, Split, clip_id
from tavlad.errors import InputError

LAYOUTS = {
    "ucf101": ucf101.LAYOUT,
    "hmdb51": hmdb51.LAYOUT,
    "folders": folders.LAYOUT,
    "split_folders": split_folders.LAYOUT,
    "csv": labels.LAYOUT,
}
ADVICE = "Nothing was written. Repair the lists or the files, or name clips to leave out in dataset.exclude."


@dataclass(frozen=True)
class Index:
    """Everything that `index` writes: classes in label order, clips, splits, the parts that excluded clips had, and
    the pairs of classes that are each other's reversal."""

    classes: list[str]
    clips: list[Clip]
    splits: list[Split]
    excluded: dict[str, list[str]]
    notes: list[str]
    pairs: Pairs

    def summary(self) -> str:
        """One line: clips, classes, missing and excluded clips, the size of each split, what was ignored."""
        missing = sum(clip.status == "missing" for clip in self.clips)
        classes = quantity(len(self.classes), "class", "classes")
        line = [f"{quantity(len(self.clips), 'clip')} ({missing:,} missing) of {classes}"]
        for number, split in enumerate(self.splits):
            lost = [parts[number] for parts in self.excluded.values()]
            sizes = [f"{len(ids):,} {part}" for part, ids in split.parts().items() if ids]
            gone = [f"{lost.count(part):,} {part}" for part in PARTS if part in lost]
            line.append(f"{SPLITS[number]} " + ", ".join(sizes) + (f" (excluded: {', '.join(gone)})" if gone else ""))
        return "; ".join([*line, *self.notes])


Beyond = Callable[[Path, Sequence[Clip]], Mapping[str, str]]


def unchecked(root: Path, clips: Sequence[Clip]) -> Mapping[str, str]:
    """The default of `beyond`: do not check any segment."""
    return {}


def build_index(root: Path, layout: str, rules: Rules, beyond: Beyond = unchecked) -> Index:
    """Read the data set at `root` and make its splits; one `InputError` lists everything that is wrong.

    `beyond` returns, by id, why given clips are not valid segments of their files.
    """
    pattern, reverse, validation = pattern_of(rules.groups), rules.reverse, rules.validation
    chosen = LAYOUTS[layout]
    whole = chosen.read(root)
    listing = selected_of(whole, chosen, rules)
    left_out = ids_left_out(rules.exclude, whole, reverse)
    clips, problems = _clips(listing, chosen, pattern, left_out)
    by_id = {clip.id: clip for clip in clips}
    problems += obstacles(by_id, listing.classes) if reverse else []
    pairs = [] if reverse else _pairs_within(listing.classes, brought_pairs(root, whole.classes, problems))
    known = set(map(clip_id, whole.labels))
    problems += [(one, f"dataset.exclude: no clip has this id{_hint(one, known)}") for one in sorted(left_out - known)]
    places = {clip_id(name): entry.place for name, entry in listing.entries.items()}
    wrong = beyond(root, [clip for clip in clips if clip.end and clip.id not in left_out])
    problems += [(places[one], reason) for one, reason in wrong.items()]
    left_out &= set(by_id)
    made = listing.splits
    if not made:
        raise_all(problems)
        grouped = [clip for clip in clips if pattern is None or clip.group != clip.id]  # others are excluded anyway
        made = splits.folds(grouped, rules.seed)
    if validation and any(split.validation for split in made):
        raise_all([*problems, ("dataset.validation", "the data set has one already: set 0, or remove its clips")])
    if validation:
        made = [splits.carve(split, by_id, validation, rules.seed) for split in made]
    absent = [""] * (len(SPLITS) - len(made))  # excluded.csv has a column for each of SPLITS
    excluded = {one: [splits.part_of(split, one) for split in made] + absent for one in sorted(left_out)}
    made = [splits.without(split, left_out) for split in made]
    for name, split in zip(SPLITS, made, strict=False):
        problems += splits.check_parts(name, split, by_id)
        if not listing.problems:  # a line that could not be parsed would make its class look empty
            problems += splits.check_classes(name, split, by_id, listing.classes)
        if validation and not split.validation:
            problems.append((name, "dataset.validation: no group is small enough for this share; raise it, or set 0"))
    raise_all(problems)
    kept = [clip for clip in clips if clip.id not in left_out]
    index = Index(listing.classes, kept, made, excluded, listing.notes, pairs)
    return _both_ways(index) if reverse else index


def selected_of(listing: Listing, layout: Layout, rules: Rules) -> Listing:
    """The part of the `listing` of a `layout` that `rules` select: its classes, and clips of each class."""
    listing = selection.of_classes(listing, rules.classes)
    if not rules.limit:
        return listing
    least = max(2, len(listing.splits or SPLITS))
    if rules.limit < least:
        reason = f"{quantity(rules.limit, 'clip')} of a class cannot be in both parts of each split: "
        listing.problems.append(("dataset.limit", f"{reason}at least {least} are needed, 0 takes all"))
    pattern = pattern_of(rules.groups)
    groups = {name: group_of(name, listing, layout, pattern) or name for name in listing.labels}
    return selection.limited(listing, groups, rules.limit, rules.seed)


def _pairs_within(classes: Sequence[str], pairs: Pairs) -> Pairs:
    """The `pairs` within `classes`; none if any class lacks its partner."""
    kept = [pair for pair in pairs if {*pair} <= {*classes}]
    return kept if 2 * len(kept) == len(classes) else []


def _both_ways(index: Index) -> Index:
    """`index` plus the reversal of each clip, in the same parts, and of each class, right after it."""
    pairs = [(label, reversed_class(label)) for label in index.classes]
    return Index(
        [label for pair in pairs for label in pair],
        sorted([*index.clips, *map(reversal, index.clips)], key=lambda clip: clip.id),
        [both_ways(split) for split in index.splits],
        index.excluded | {reversal_id(one): parts for one, parts in index.excluded.items()},
        [*index.notes, "half of them are reversals of the other half"],
        pairs,
    )


def ids_left_out(exclude: Sequence[str], listing: Listing, reverse: bool) -> set[str]:
    """The ids in `exclude`, reversals replaced by their originals: both are excluded together."""
    ids = map(clip_id, listing.labels) if reverse else ()
    named = {reversal_id(one): one for one in ids}
    return {named.get(one, one) for one in exclude}


def _clips(
    listing: Listing, layout: Layout, pattern: re.Pattern[str] | None, left_out: set[str]
) -> tuple[list[Clip], list[Problem]]:
    """The clips of `listing`, sorted by id, and its problems, including those of ids, names and groups."""
    problems = list(listing.problems)
    clips: dict[str, Clip] = {}
    for name, label in sorted(listing.labels.items()):
        one, entry = clip_id(name), listing.entries.get(name)
        path, *times = (entry.path, entry.start, entry.end) if entry else (name,)
        group = group_of(name, listing, layout, pattern)
        if unwritable(path):
            problems.append((ascii(path), "the name has bytes that are not UTF-8, or control characters: rename it"))
        if one in clips and one not in left_out:
            problems.append((one, f"duplicate id: {clips[one].path} and {path} differ only in the suffix"))
        if group is None and one not in left_out:
            problems.append((path, "no group in the file name: correct dataset.groups, or exclude the clip"))
        if entry and name in listing.missing and one not in left_out:
            problems.append((entry.place, f"{path} is missing: there is no such file below dataset.root"))
        status = "missing" if name in listing.missing else "present"
        clips[one] = Clip(one, path, label, group or one, "", status, *times)
    return [clips[one] for one in sorted(clips)], problems


def _hint(entry: str, ids: set[str]) -> str:
    return f"; did you mean {clip_id(entry)}?" if clip_id(entry) in ids else ""


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise an `InputError` that lists `problems`, if there are any."""
    if problems:
        rows = [(printable(name), printable(reason)) for name, reason in problems]
        raise InputError("index: the data set is not in order", rows, ADVICE)

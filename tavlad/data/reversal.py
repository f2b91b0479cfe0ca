"""Reversal in time: the reversed clips and classes of `dataset.reversed`, and the pairs of reversed classes."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tavlad.data.listing import Problem, read_lines
from tavlad.data.table import Clip, Split, segment_id

Pairs = Sequence[tuple[str, str]]  # classes that are each other's reversal; covers either all classes or none

FILE = "reversals.csv"  # next to the videos, if a data set itself contains both directions, as the demo does
HEADER = ["class", "reversal"]
LONGEST = 255  # bytes of a folder's name


def reversed_class(label: str) -> str:
    """The name of the class of the reversed clips of class `label`."""
    return f"{label} (reversed)"


def reversal_id(one: str) -> str:
    """The id of the reversal of clip id `one`, "<folder>/<name>": its folder gets the suffix of a reversed class."""
    folder, _, name = one.rpartition("/")
    return f"{reversed_class(folder)}/{name}" if folder else reversed_class(name)


def reversal(clip: Clip) -> Clip:
    """`clip` backwards: the same file and group, under an id that differs from that of its path."""
    return replace(clip, id=reversal_id(clip.id), label=reversed_class(clip.label))


def originals(clips: Iterable[Clip]) -> dict[str, str]:
    """Map the id of each reversal in `clips` to the id of its original."""
    named = ((clip.id, segment_id(clip.path, clip.start, clip.end)) for clip in clips)
    return {one: original for one, original in named if one == reversal_id(original)}


def both_ways(split: Split) -> Split:
    """`split` plus the reversal of each clip, in the same part."""
    return Split(*((*ids, *map(reversal_id, ids)) for ids in split.parts().values()))


def obstacles(clips: Mapping[str, Clip], classes: Sequence[str]) -> list[Problem]:
    """Why reversals of `clips` (by id) and `classes` cannot be added: names that collide or are too long."""
    twins = {label: reversed_class(label) for label in classes}
    problems = [
        (twin, f"dataset.reversed: is a class, and the name of the reversal of class {label}: rename one")
        for label, twin in twins.items()
        if twin in twins
    ]
    problems += [
        (
            clips[reversal_id(one)].path,
            f"dataset.reversed: has the id that the reversal of {clip.path} needs: rename one",
        )
        for one, clip in clips.items()
        if reversal_id(one) in clips
    ]
    folders = sorted({PurePosixPath(one).parent.name for one in clips})
    long = [folder for folder in folders if len(os.fsencode(reversed_class(folder))) > LONGEST]
    return problems + [(folder, f"dataset.reversed: its reversal's name has over {LONGEST} bytes") for folder in long]


def brought_pairs(root: Path, classes: Sequence[str], problems: list[Problem]) -> Pairs:
    """The pairs of `classes` in reversals.csv of `root`, none without it; errors are added to `problems`."""
    source = root / FILE
    if not source.exists():
        return []
    lines = [(place, next(csv.reader([text]))) for place, text in read_lines(source, problems)]
    if [row for _, row in lines[:1]] != [HEADER]:
        problems.append((FILE, f"the header is not {','.join(HEADER)}"))
    wrong = [place for place, row in lines[1:] if len(row) != 2 or not {*row} <= {*classes}]
    problems += [(place, "is not two classes of this data set") for place in wrong]
    pairs = [(row[0], row[1]) for place, row in lines[1:] if place not in wrong]
    named = Counter(name for pair in pairs for name in pair)
    problems += [(name, f"{FILE}: is in {named[name]} pairs, not in one") for name in classes if named[name] != 1]
    return pairs


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write reversals.csv: `class,reversal`, without rows if there are no pairs."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *pairs])


def read_pairs(path: Path) -> Pairs:
    """Read the pairs that `write_pairs` wrote."""
    with open(path, encoding="utf-8", newline="") as file:
        return [(first, second) for first, second in list(csv.reader(file))[1:]]

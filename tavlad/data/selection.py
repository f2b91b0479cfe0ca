"""Subsets of a data set: `dataset.classes`, and `dataset.limit` clips of each class, the same on every machine."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from tavlad.console import quantity
from tavlad.data.listing import Listing
from tavlad.data.splits import without
from tavlad.data.table import PARTS, Split, clip_id

NEAR = 0.5  # difflib's ratio above which two names count as similar
NAMED = 5  # classes shown if no name is similar
COVERED = ("test", *(part for part in PARTS if part != "test"))  # test first: it has the fewest clips


@dataclass(frozen=True)
class Rules:
    """The user's settings: section `dataset` of params.yaml, and the seed of section `index`.

    `groups` is a regular expression whose one group captures the clip's group in its file name; "" means the layout's
    own rule (gNN of UCF101, class and movie of HMDB51, each clip its own group in folders). `classes` (none: all) and
    `limit`, clips per class (0: all), apply first. Folds and validation parts (the share `validation` of the training
    groups) are then drawn with `seed`. `exclude` and `reverse`, which adds the reversal of every clip, apply last: they
    do not move other clips between parts.
    """

    seed: int
    groups: str = ""
    validation: float = 0.0
    exclude: Sequence[str] = ()
    reverse: bool = False
    classes: Sequence[str] = ()
    limit: int = 0


def of_classes(listing: Listing, names: Sequence[str]) -> Listing:
    """`listing` restricted to the classes `names`, in its order; an unknown name is a problem that suggests others."""
    if not names:
        return listing
    dropped = set(listing.classes) - set(names)
    paths = {path for path, label in listing.labels.items() if label not in dropped}
    kept = _keep(listing, paths)
    problems = [row for row in listing.problems if row[0].rpartition("/")[2] not in dropped]  # named by class folder
    problems += [(name, _unknown(name, listing.classes)) for name in names if name not in listing.classes]
    note = f"{quantity(len(dropped), 'class', 'classes')} left out by dataset.classes"
    classes = [label for label in listing.classes if label not in dropped]
    return replace(kept, classes=classes, problems=problems, notes=[*listing.notes, *([note] if dropped else [])])


def _unknown(name: str, classes: Sequence[str]) -> str:
    spelled = {label.casefold(): label for label in classes}
    near = [spelled[found] for found in get_close_matches(name.casefold(), spelled, cutoff=NEAR)]
    shown = ", ".join(classes[:NAMED]) + (", ..." if len(classes) > NAMED else "")
    return f"dataset.classes: no class has this name; {'similar: ' + ', '.join(near) if near else f'there are {shown}'}"


def limited(listing: Listing, groups: Mapping[str, str], limit: int, seed: int) -> Listing:
    """`listing` with at most `limit` clips of each class; `groups` gives the group of each video by its path.

    Each part of an official split that has clips of a class keeps at least one, if `limit` allows; the others come from
    as many groups as possible. A clip's rank depends only on the seed, its group and its id, and a larger `limit`
    takes the same clips and more.
    """
    sides: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for number, split in enumerate(listing.splits):
        for part, ids in split.parts().items():
            for one in ids:
                sides[one].add((number, part))
    by_class: dict[str, list[str]] = defaultdict(list)
    for path, label in listing.labels.items():
        by_class[label].append(path)
    kept = set[str]()
    for paths in by_class.values():
        order = _order(paths, groups, seed)
        kept.update(_covering(order, sides, limit))
        kept.update([path for path in order if path not in kept][: max(0, limit - len(kept.intersection(paths)))])
    note = f"{quantity(len(listing.labels) - len(kept), 'clip')} left out by dataset.limit"
    notes = [*listing.notes, *([note] if len(kept) < len(listing.labels) else [])]
    return replace(_keep(listing, kept), notes=notes)


def _order(paths: Sequence[str], groups: Mapping[str, str], seed: int) -> list[str]:
    """The videos of a class in the order of the draw: one of each group, then a second one of each, ..."""
    of_group: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        of_group[groups[path]].append(path)
    turns = [
        (turn, _chance(seed, group), path)
        for group, members in of_group.items()
        for turn, path in enumerate(sorted(members, key=lambda path: _chance(seed, clip_id(path))))
    ]
    return [path for _, _, path in sorted(turns)]


def _covering(order: Sequence[str], sides: Mapping[str, set[tuple[int, str]]], limit: int) -> list[str]:
    """Greedily take at most `limit` of `order` to cover all parts of all splits that any of them is in."""
    taken: list[str] = []
    for part in COVERED:
        there = {path: {side for side in sides.get(clip_id(path), ()) if side[1] == part} for path in order}
        missing = set().union(*there.values()) - {side for path in taken for side in there[path]}
        while missing and len(taken) < limit:
            taken.append(max(order, key=lambda path: len(there[path] & missing)))
            missing -= there[taken[-1]]
    return taken


def _chance(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest()


def _keep(listing: Listing, paths: Collection[str]) -> Listing:
    """`listing` restricted to the videos `paths`; they keep their parts of the splits."""
    gone = {clip_id(path) for path in listing.labels} - {clip_id(path) for path in paths}
    splits: list[Split] = [without(split, gone) for split in listing.splits]
    labels = {path: label for path, label in listing.labels.items() if path in paths}
    return replace(listing, labels=labels, missing=listing.missing & set(paths), splits=splits)

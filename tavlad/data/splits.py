"""Splits: drawn if a data set has none, a validation part carved from train, and checks of all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tavlad.data.listing import Problem
from tavlad.data.table import PARTS, Clip, Split
from tavlad.errors import InputError


def folds(clips: Sequence[Clip], seed: int) -> list[Split]:
    """Three splits that test every clip once, stratified by class, each group on one side only.

    With exactly three groups, split k holds out the k-th in sorted order. `InputError` names each class with fewer than
    three groups: it would be absent from a test part.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # slow; official lists need none

    spread = Counter(label for label, _ in {(clip.label, clip.group) for clip in clips})
    few = [(label, f"has {count} separate clips or groups; three splits need 3") for label, count in spread.items()]
    if rows := sorted(row for row in few if spread[row[0]] < 3):
        raise InputError("index: three splits cannot be made", rows, "Add clips, or change dataset.groups.")
    clips = sorted(clips, key=lambda clip: clip.id)
    ids, labels = np.array([clip.id for clip in clips]), np.array([clip.label for clip in clips])
    groups = np.array([clip.group for clip in clips])
    names = np.unique(groups)
    if len(names) == 3:
        held = [np.flatnonzero(groups == name) for name in names]
    elif len(names) == len(clips):
        held = [test for _, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(ids, labels)]
    else:
        by_group = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
        held = [test for _, test in by_group.split(ids, labels, groups)]
    return [Split(tuple(np.delete(ids, test).tolist()), (), tuple(ids[test].tolist())) for test in held]


def carve(split: Split, clips: Mapping[str, Clip], share: float, seed: int) -> Split:
    """`split` with whole groups moved from train to validation: about `share` of each class's clips, never all.

    Groups are visited in seeded random order and taken if they bring the class counts closer to their shares.
    """
    train = [clips[one] for one in split.train]
    groups, row = np.unique([clip.group for clip in train], return_inverse=True)
    labels, column = np.unique([clip.label for clip in train], return_inverse=True)
    counts = np.zeros((len(groups), len(labels)))
    np.add.at(counts, (row, column), 1)
    total = counts.sum(axis=0)
    taken, chosen = np.zeros(len(labels)), set()
    for index in np.random.default_rng(seed).permutation(len(groups)):
        after = taken + counts[index]
        nearer = np.square(after - share * total).sum() < np.square(taken - share * total).sum()
        if nearer and (after < total).all():
            taken = after
            chosen.add(groups[index])
    kept = tuple(clip.id for clip in train if clip.group not in chosen)
    return Split(kept, tuple(clip.id for clip in train if clip.group in chosen), split.test)


def without(split: Split, ids: set[str]) -> Split:
    """`split` without the clips `ids`."""
    return Split(*(tuple(one for one in split.parts()[part] if one not in ids) for part in PARTS))


def part_of(split: Split, one: str) -> str:
    """The part of `split` that contains the clip id `one`, "" if none does."""
    return next((part for part, ids in split.parts().items() if one in ids), "")


def check_parts(name: str, split: Split, clips: Mapping[str, Clip]) -> list[Problem]:
    """Clips of `split` that are listed twice or in two parts, and groups that two parts share."""
    counted = Counter(one for ids in split.parts().values() for one in set(ids))
    both = {one for one, count in counted.items() if count > 1}
    problems = [(one, f"{name}: in train and in test") for one in sorted(both)]
    for part, ids in split.parts().items():
        twice = (one for one, count in Counter(ids).items() if count > 1)
        problems += [(one, f"{name}: listed twice in {part}") for one in sorted(twice)]
    sides: dict[str, dict[str, str]] = {}
    for part, ids in split.parts().items():
        for one in sorted(set(ids) - both):
            sides.setdefault(clips[one].group, {}).setdefault(part, one)
    for group, found in sorted(sides.items()):
        if len(found) > 1:
            shown = ", ".join(f"{part} ({one})" for part, one in found.items())
            problems.append((f"group {group}", f"{name}: shared by {shown}"))
    return problems


def check_classes(name: str, split: Split, clips: Mapping[str, Clip], classes: Sequence[str]) -> list[Problem]:
    """Classes without a clip in train or in test."""
    return [
        (label, f"{name}: a class without {part} clips")
        for part in ("train", "test")
        for label in sorted(set(classes) - {clips[one].label for one in split.parts()[part]})
    ]

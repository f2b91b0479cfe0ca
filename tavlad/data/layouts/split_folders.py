"""The layout of one fixed split: train/, val/ (optional) and test/, with one folder per class in each."""

from collections.abc import Sequence
from pathlib import Path

from tavlad.data.layouts.folders import add_classes, notes_on, own_group
from tavlad.data.listing import Layout, Listing, visible
from tavlad.data.table import SPLITS, Split, clip_id
from tavlad.errors import InputError

FOLDERS = {"train": True, "val": False, "test": True}  # in the order of a split's parts; whether it is required
ADVICE = "dataset.layout: split_folders takes train/, val/ (optional) and test/, with one folder per class in each."


def read_split_folders(root: Path) -> Listing:
    """List the class folders below train/, val/ and test/ of `root`, and the one split that they form."""
    found = {folder.name for folder in visible(root) if folder.is_dir()}
    lost = [(str(root / name), "is missing") for name, needed in FOLDERS.items() if needed and name not in found]
    if lost:
        if "val" in found and "test" not in found:
            lost = [(str(root / "test"), "is missing; if val/ is your held-out set, rename it to test/")]
        raise InputError("index: not a fixed split", lost, ADVICE)
    odd = sorted(found - set(FOLDERS))
    reason = "is not train, val or test: rename it, or move it elsewhere"
    listing = Listing([], problems=[(name, reason) for name in odd])
    parts, passed_over = [], dict[str, list[str]]()
    for part in FOLDERS:
        before = set(listing.labels)
        if part in found:
            for kind, names in add_classes(root / part, f"{part}/", listing).items():
                passed_over[kind] = passed_over.get(kind, []) + names
        parts.append(tuple(clip_id(path) for path in listing.labels if path not in before))
    if not listing.classes:
        raise InputError("index: no clips", [(str(root), "has no class folder in train/ or test/")], ADVICE)
    listing.classes.sort()
    listing.splits, listing.notes = [Split(*parts)], notes_on(passed_over)
    return listing


def one_split(root: Path) -> Sequence[str]:
    """The name of the split that the folders form."""
    return SPLITS[:1]


LAYOUT = Layout(read_split_folders, own_group, splits=one_split)

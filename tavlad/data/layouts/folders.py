"""The layout of a user's own clips: one folder per class, with its videos directly inside."""

from pathlib import Path

from tavlad.console import quantity
from tavlad.data.listing import Layout, Listing, count_suffixes, is_video, visible
from tavlad.errors import InputError

NO_VIDEO = "(not the suffix of a video)"
PARTED = {"train", "test"}  # folders with these names but no videos of their own contain the classes of a fixed split


def read_folders(root: Path) -> Listing:
    """List the class folders of `root`, without splits; notes count the files that were ignored."""
    if fixed_split(root):
        rows = [("dataset.layout", f"{root} contains train/ and test/ with folders, but no videos, directly inside")]
        raise InputError("index: not class folders", rows, "Set dataset.layout: split_folders in params.yaml.")
    listing = Listing([])
    passed_over = add_classes(root, "", listing)
    if not listing.classes:
        raise InputError("index: no clips", [(str(root), "has no class folder")], "Put each class in its own folder.")
    listing.notes = notes_on(passed_over)
    return listing


def fixed_split(root: Path) -> bool:
    """Whether `root` contains a fixed split: train/ and test/ with folders, but no videos, directly inside."""
    inside = [list(visible(root / part)) if (root / part).is_dir() else [] for part in PARTED]
    return all(
        any(path.is_dir() for path in found) and not any(is_video(path.name) and not path.is_dir() for path in found)
        for found in inside
    )


def add_classes(root: Path, prefix: str, listing: Listing) -> dict[str, list[str]]:
    """Add the class folders of `root` to `listing`, with `prefix` before each path; return ignored names by kind."""
    passed_over: dict[str, list[str]] = {"others": [], "nested": [], "loose": []}
    for file in (path for path in visible(root) if path.is_file()):
        passed_over["loose" if is_video(file.name) else "others"].append(file.name)
    for folder in (path for path in visible(root) if path.is_dir()):
        inside = visible(folder)
        videos = [file.name for file in inside if is_video(file.name) and not file.is_dir()]
        others = [file.name for file in inside if not is_video(file.name) and file.is_file()]
        passed_over["others"] += others
        passed_over["nested"] += [path.name for path in inside if path.is_dir()]
        listing.classes += [folder.name] if folder.name not in listing.classes else []
        for name in videos:
            listing.labels[f"{prefix}{folder.name}/{name}"] = folder.name
            if not (folder / name).is_file():
                listing.missing.add(f"{prefix}{folder.name}/{name}")
        if not videos:
            only = f", only {count_suffixes(others)} {NO_VIDEO}" if others else ""
            reason = f"a class without clips: there is no video directly in this folder{only}"
            listing.problems.append((f"{prefix}{folder.name}", reason))
    return passed_over


def notes_on(passed_over: dict[str, list[str]]) -> list[str]:
    """Notes for users on what `add_classes` ignored."""
    others, nested, loose = (passed_over[kind] for kind in ("others", "nested", "loose"))
    notes = [f"ignored {count_suffixes(others)} {NO_VIDEO}"] if others else []
    notes += [f"ignored {quantity(len(nested), 'folder')} inside class folders"] if nested else []
    return notes + ([f"ignored {quantity(len(loose), 'video')} outside the class folders"] if loose else [])


def own_group(clip: str, label: str, name: str) -> str:
    """Each clip is its own group."""
    return clip


LAYOUT = Layout(read_folders, own_group)

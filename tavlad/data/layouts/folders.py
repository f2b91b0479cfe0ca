"""The layout of a user's own clips: one folder per class, the videos directly in it."""

from pathlib import Path

from tavlad.data.listing import Layout, Listing, count_suffixes, is_video, visible
from tavlad.errors import InputError

NO_VIDEO = "(not the suffix of a video)"


def read_folders(root: Path) -> Listing:
    """The listing of the class folders of `root`, without splits; its notes count what was not taken for a video."""
    folders = [folder for folder in visible(root) if folder.is_dir()]
    if not folders:
        raise InputError("index: no clips", [(str(root), "holds no class folder")], "Put each class in its own folder.")
    listing = Listing([folder.name for folder in folders])
    others = [file.name for file in visible(root) if file.is_file() and not is_video(file.name)]
    nested = 0
    for folder in folders:
        inside = visible(folder)
        videos = [file.name for file in inside if is_video(file.name) and not file.is_dir()]
        passed_over = [file.name for file in inside if not is_video(file.name) and file.is_file()]
        others += passed_over
        nested += sum(path.is_dir() for path in inside)
        for name in videos:
            listing.labels[f"{folder.name}/{name}"] = folder.name
            if not (folder / name).is_file():
                listing.missing.add(f"{folder.name}/{name}")
        if not videos:
            only = f", only {count_suffixes(passed_over)} {NO_VIDEO}" if passed_over else ""
            reason = f"a class without clips: there is no video directly in this folder{only}"
            listing.problems.append((folder.name, reason))
    loose = sum(is_video(file.name) for file in visible(root) if file.is_file())
    listing.notes += [f"ignored {count_suffixes(others)} {NO_VIDEO}"] if others else []
    listing.notes += [f"ignored {nested:,} folders inside class folders"] if nested else []
    listing.notes += [f"ignored {loose:,} videos outside the class folders"] if loose else []
    return listing


def own_group(clip: str, label: str, name: str) -> str:
    """Every clip by itself."""
    return clip


LAYOUT = Layout(read_folders, own_group)

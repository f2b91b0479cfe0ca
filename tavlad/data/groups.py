"""Groups of clips that belong together and must not be on both sides of a split."""

import re
from pathlib import PurePosixPath

from tavlad.data.listing import Layout, Listing
from tavlad.data.table import clip_id
from tavlad.errors import InputError


def group_of(name: str, listing: Listing, layout: Layout, pattern: re.Pattern[str] | None) -> str | None:
    """The group of the clip `name` of `listing`; None if its file name has none."""
    entry = listing.entries.get(name)
    file = PurePosixPath(entry.path if entry else name).name
    match = pattern.search(file) if pattern else None
    if pattern:
        return match and match[1]
    return entry.group if entry else layout.group(clip_id(name), listing.labels[name], file)


def pattern_of(groups: str) -> re.Pattern[str] | None:
    """Compile `dataset.groups`, None if empty; InputError if it is not a regular expression with exactly one group."""
    if not groups:
        return None
    try:
        pattern = re.compile(groups)
        reason = "" if pattern.groups == 1 else f"has {pattern.groups} groups in parentheses; it needs exactly one"
    except re.error as error:
        reason = f"is not a regular expression: {error}"
    if reason:
        raise InputError("index: dataset.groups", [(groups, reason)], r"An example: P(\d) takes 3 from PS7A1P3T2.avi.")
    return pattern

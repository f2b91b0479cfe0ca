"""Class imbalance: whether the classes of a data set differ greatly in size."""

from collections import Counter
from collections.abc import Iterable, Mapping

UNEVEN = 10  # size ratio of the largest class to the smallest that triggers a warning


def counted(labels: Iterable[str]) -> dict[str, int]:
    """Count the clips of each class."""
    return dict(Counter(labels))


def imbalance(clips: Mapping[str, int], kind: str = "clips") -> str:
    """Return a warning if the largest class in `clips` is at least ten times the size of the smallest, else ""."""
    known = {label: count for label, count in clips.items() if count}
    if not known:
        return ""
    largest, smallest = max(known, key=lambda label: known[label]), min(known, key=lambda label: known[label])
    if known[largest] < UNEVEN * known[smallest]:
        return ""
    return (
        f"class {largest} has {known[largest]:,} {kind}, class {smallest} has {known[smallest]:,}: read mean class "
        "accuracy beside top-1; class_weights: balanced in sections stage1 and stage2 makes classes count alike"
    )

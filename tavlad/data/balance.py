"""Whether the classes of a data set are of very different sizes."""

from collections import Counter
from collections.abc import Iterable, Mapping

UNEVEN = 10  # times as many clips in the largest class as in the smallest


def counted(labels: Iterable[str]) -> dict[str, int]:
    """The number of clips by class."""
    return dict(Counter(labels))


def imbalance(clips: Mapping[str, int], kind: str = "clips") -> str:
    """A warning if the largest class by `clips` has ten times those of the smallest, else ""."""
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

"""The clips of one part of a split, with their labels as numbers."""

from dataclasses import dataclass
from pathlib import Path

from tavlad.clips.table import read_classes, read_clips, read_split


@dataclass(frozen=True)
class Examples:
    """Clip ids, each with the index of its class in classes.txt."""

    ids: tuple[str, ...]
    labels: tuple[int, ...]

    def labelled(self) -> dict[str, int]:
        """Label by clip id, for recipes."""
        return dict(zip(self.ids, self.labels, strict=True))


def read_examples(index: Path, split: str, part: str) -> Examples:
    """The "train", "validation" or "test" part of `split` ("split1"), from the folder that stage index wrote."""
    numbers = {name: number for number, name in enumerate(read_classes(index / "classes.txt"))}
    labels = {clip.id: numbers[clip.label] for clip in read_clips(index / "clips.csv")}
    ids = getattr(read_split(index / f"{split}.csv"), part)
    return Examples(ids, tuple(labels[clip] for clip in ids))

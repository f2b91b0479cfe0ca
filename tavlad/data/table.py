"""The tables of clips, classes and splits, written once by `index`; and the clips of one part of a split."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath

PARTS = ("train", "validation", "test")
SPLITS = ("split1", "split2", "split3")


@dataclass(frozen=True)
class Clip:
    """A listed video, or a segment of one from `start` to `end` (seconds; "" for a whole video).

    `path` is relative to the root of the data set, `id` is that of `segment_id`. Clips of one `group` are never on both
    sides of a split. `status` is "present" or "missing"; `digest` is the SHA-256 of the file, "" if missing.
    """

    id: str
    path: str
    label: str
    group: str
    digest: str
    status: str
    start: str = ""
    end: str = ""


@dataclass(frozen=True)
class Split:
    """The clip ids of the three parts of a train/test split; `validation` may be empty."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The ids by part."""
        return {part: getattr(self, part) for part in PARTS}


def clip_id(path: str) -> str:
    """The id of the clip at `path`: the path without its suffix."""
    return str(PurePosixPath(path).with_suffix(""))


def segment_id(path: str, start: str, end: str) -> str:
    """The id of a segment of the video at `path`, "<path>@<start>-<end>"; without times, that of the whole video."""
    return f"{clip_id(path)}@{start}-{end}" if start or end else clip_id(path)


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write clips.csv: one row per clip, sorted by id."""
    header = [field.name for field in fields(Clip)]
    _write(path, header, (astuple(clip) for clip in sorted(clips, key=lambda clip: clip.id)))


def read_clips(path: Path) -> list[Clip]:
    """Read clips.csv, in the order of the file."""
    return [Clip(**row) for row in _read(path)]


def write_split(path: Path, split: Split) -> None:
    """Write split<k>.csv: `id,part`, sorted by id."""
    _write(path, ["id", "part"], sorted((one, part) for part, ids in split.parts().items() for one in ids))


def read_split(path: Path) -> Split:
    """Read split<k>.csv; the ids of each part are in the order of the file. ValueError for an unknown part."""
    ids: dict[str, list[str]] = {part: [] for part in PARTS}
    for row in _read(path):
        if row["part"] not in ids:
            raise ValueError(f"{path}: '{row['id']}' is in part '{row['part']}'; parts are {', '.join(PARTS)}.")
        ids[row["part"]].append(row["id"])
    return Split(**{part: tuple(found) for part, found in ids.items()})


def write_classes(path: Path, classes: Sequence[str]) -> None:
    """Write classes.txt: a class's label index is its line number, counted from 0."""
    path.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8", newline="\n")


def read_classes(path: Path) -> list[str]:
    """Read the class names of classes.txt, in the order of their label index."""
    return path.read_text(encoding="utf-8").splitlines()


def write_excluded(path: Path, excluded: Mapping[str, Sequence[str]]) -> None:
    """Write excluded.csv: for each excluded clip, its part of each split ("" if none)."""
    _write(path, ["id", *SPLITS], [(one, *parts) for one, parts in sorted(excluded.items())])


def count_excluded(path: Path, split: str) -> dict[str, int]:
    """Count the clips that each part of `split` ("split1", ...) lost to `dataset.exclude`, from excluded.csv."""
    lost = Counter(row[split] for row in _read(path))
    return {part: lost[part] for part in PARTS}


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _read(path: Path) -> Iterator[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@dataclass(frozen=True)
class Examples:
    """Clip ids and, for each, the index of its class in classes.txt."""

    ids: tuple[str, ...]
    labels: tuple[int, ...]

    def labelled(self) -> dict[str, int]:
        """Labels by clip id, for recipes."""
        return dict(zip(self.ids, self.labels, strict=True))


def read_examples(index: Path, split: str, part: str) -> Examples:
    """Read the "train", "validation" or "test" part of `split` ("split1") from the folder that stage index wrote."""
    numbers = {name: number for number, name in enumerate(read_classes(index / "classes.txt"))}
    labels = {clip.id: numbers[clip.label] for clip in read_clips(index / "clips.csv")}
    ids = getattr(read_split(index / f"{split}.csv"), part)
    return Examples(ids, tuple(labels[clip] for clip in ids))

"""Predictions on the held-out clips, and the metrics computed from them."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tavlad.store.hdf5 import created, opened_hdf5


@dataclass(frozen=True, eq=False)
class Predictions:
    """Ids of N clips, labels int64 (N), logits float32 (N, Y), names of Y classes; ValueError listing all problems.

    Among classes with equal logits the first one ranks higher, everywhere.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        # Lists and wider types are accepted if no value changes; `frozen` needs this detour.
        object.__setattr__(self, "ids", tuple(str(name) for name in self.ids))
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        for name, kinds, dtype in (("labels", "iu", np.int64), ("logits", "f", np.float32)):
            values = np.asarray(getattr(self, name))
            if values.dtype.kind not in kinds:
                raise ValueError(f"predictions: {name} are {values.dtype}, not {np.dtype(dtype)}")
            object.__setattr__(self, name, values.astype(dtype))
        if problems := self._problems():
            raise ValueError("predictions: " + "; ".join(problems))

    def _problems(self) -> list[str]:
        N, Y = len(self.ids), len(self.classes)
        checks = [
            (N > 0, "there are no clips"),
            (self.labels.shape == (N,), f"labels have the shape {self.labels.shape}, not ({N},)"),
            (self.logits.shape == (N, Y), f"logits have the shape {self.logits.shape}, not ({N}, {Y})"),
            (len(set(self.ids)) == N, "an id appears twice"),
            (len(set(self.classes)) == Y, "a class appears twice"),
            (bool(((self.labels >= 0) & (self.labels < Y)).all()), f"a label is outside 0..{Y - 1}"),
            (bool(np.isfinite(self.logits).all()), "a logit is not a finite number"),
        ]
        return [problem for right, problem in checks if not right]

    def save(self, path: Path) -> None:
        """Write one HDF5 file atomically: `ids`, `labels`, `logits` and the attribute `classes`."""
        aside = Path(f"{path}.part")
        text = h5py.string_dtype()
        aside.unlink(missing_ok=True)
        with created(aside) as file:
            file.create_dataset("ids", data=list(self.ids), dtype=text, track_times=False)
            file.create_dataset("labels", data=self.labels, track_times=False)
            file.create_dataset("logits", data=self.logits, track_times=False)
            file.attrs.create("classes", list(self.classes), dtype=text)
        os.replace(aside, path)  # never in place: `path` may be a link into the store or DVC's cache

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read what `save` wrote; ValueError naming the file if it holds anything else."""
        with opened_hdf5(path) as file:
            ids, labels, logits = (file[name] for name in ("ids", "labels", "logits"))
            for values, ndim in ((ids, 1), (labels, 1), (logits, 2)):
                size = math.prod(values.shape) * values.dtype.itemsize
                if values.ndim != ndim or size > path.stat().st_size:  # `save` does not compress
                    raise ValueError(f"{path}: {values.name} has the shape {values.shape}, which is impossible")
            return cls(tuple(ids.asstr()[()]), labels[()], logits[()], tuple(file.attrs["classes"]))

    @property
    def predicted(self) -> np.ndarray:
        """The class with the highest logit of each clip, int64 (N)."""
        classes: np.ndarray = self.logits.argmax(axis=1)
        return classes

    @property
    def right(self) -> np.ndarray:
        """Which clips are predicted correctly, bool (N)."""
        hits: np.ndarray = self.predicted == self.labels
        return hits

    @property
    def top1(self) -> float:
        """The share of clips whose highest logit is that of their label."""
        return self.top(1)

    def top(self, k: int) -> float:
        """The share of clips whose label is among the k highest logits."""
        order = np.argsort(-self.logits, axis=1, kind="stable")[:, :k]
        return float((order == self.labels[:, None]).any(axis=1).mean())

    def confusion(self) -> np.ndarray:
        """Counts int64 (Y, Y): row = label, column = predicted class."""
        Y = len(self.classes)
        return np.bincount(self.labels * Y + self.predicted, minlength=Y * Y).reshape(Y, Y)

    @property
    def class_accuracies(self) -> np.ndarray:
        """Top-1 accuracy within each class, float64 (Y); NaN for a class without clips."""
        counts = self.confusion()
        clips = counts.sum(axis=1)
        shares: np.ndarray = np.divide(counts.diagonal(), clips, out=np.full(len(clips), np.nan), where=clips > 0)
        return shares

    @property
    def mean_class_accuracy(self) -> float:
        """The mean of `class_accuracies` over the classes that have clips."""
        return float(np.nanmean(self.class_accuracies))

    def confused_pairs(self, n: int) -> list[tuple[str, str, int]]:
        """At most n (label, predicted class, clips), the most frequent first; equal counts in class order, no zeros."""
        counts = self.confusion()
        np.fill_diagonal(counts, 0)
        order = np.argsort(-counts, axis=None, kind="stable")[:n]
        pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
        return [(self.classes[i], self.classes[j], int(counts[i, j])) for i, j in pairs if counts[i, j]]

    @classmethod
    def fuse(cls, members: Sequence["Predictions"], weights: Sequence[float]) -> "Predictions":
        """The weighted sum of the members' logits, matched by id, in the order of the first member.

        Raises ValueError listing all problems if ids, labels or classes differ, or the weights do not match.
        """
        if not members or len(members) != len(weights):
            raise ValueError(f"fuse: {len(members)} predictions, {len(weights)} weights; one weight each, at least one")
        first = members[0]
        fused, problems = np.zeros(first.logits.shape), []
        for number, (member, weight) in enumerate(zip(members, weights, strict=True), start=1):
            if difference := first._difference(member):
                problems.append(f"number {number} {difference}")
                continue
            row = {name: i for i, name in enumerate(member.ids)}
            fused += weight * member.logits[[row[name] for name in first.ids]].astype(np.float64)
        if problems:
            raise ValueError("fuse: " + "; ".join(problems))
        return cls(first.ids, first.labels, fused, first.classes)

    def _difference(self, other: "Predictions") -> str:
        """Why `other` is not on the same clips and classes; empty if it is."""
        if other.classes != self.classes:
            return "has different classes, or a different order of them"
        if apart := sorted(set(self.ids) ^ set(other.ids)):
            return f"has different clips ({len(apart)} differ, the first is {apart[0]})"
        if dict(zip(other.ids, other.labels, strict=True)) != dict(zip(self.ids, self.labels, strict=True)):
            return "has different labels"
        return ""

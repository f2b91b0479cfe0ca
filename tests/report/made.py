"""Fabricated results of a split and files of frames."""

from pathlib import Path

import numpy as np

from tavlad.learning.scores import Predictions
from tavlad.report.evaluation import stage_metrics
from tavlad.report.results import SplitResult
from tavlad.video.frames import DecodedClip, write_frames

NONE_LOST = {"train": 0, "validation": 0, "test": 0}
FOUR = ("a", "b", "c", "d")


def next_class(right: int, clips: int = 40) -> Predictions:
    """Labels 0, 1, 2, 3, 0, ...; the first `right` clips are predicted right, the others as the next class."""
    labels = np.arange(clips) % 4
    predicted = np.where(np.arange(clips) < right, labels, (labels + 1) % 4)
    ids = tuple(f"clip {i}" for i in range(clips))
    return Predictions(ids, labels, np.eye(4, dtype=np.float32)[predicted], FOUR)


def made_result(split: str, final: Predictions, epochs: int = 2) -> SplitResult:
    """A split whose two stages say the same; stage 2 was trained for so many epochs."""
    scores = stage_metrics(final, 2) | {"order": {"reversed": 0.25, "shuffled": 0.5}}
    average = {"top1": 0.5, "mean_class_accuracy": 0.25}
    metrics = {"stage1": scores, "stage2": scores, "average": average, "excluded": NONE_LOST}
    curves = {}
    for stage, count in (("stage1", 2), ("stage2", epochs)):
        columns = {"epoch": np.arange(1.0, 3.0), "loss": np.array([1.0, 0.5]), "accuracy": np.array([0.5, 0.9])}
        curves[stage] = {name: values[:count] for name, values in columns.items()}
    return SplitResult(split, {"stage1": final, "stage2": final}, curves, metrics)


def store_frames(path: Path, frames: np.ndarray) -> None:
    """A file of the frame store with these frames, uint8 (T, H, W, 3)."""
    T = len(frames)
    facts = dict.fromkeys(
        ("header_count", "decoded_count", "begin", "end", "rotation", "width", "height", "corrupt", "concealed"), T
    )
    decoded = DecodedClip(
        frames=frames, indices=list(range(T)), pts=[0.0] * T, fps=25.0, interlaced=False, pyav="1", ffmpeg="1", **facts
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_frames(path, path.stem, decoded, 95, "recipe")

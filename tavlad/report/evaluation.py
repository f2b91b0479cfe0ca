"""What evaluation writes about one split, for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tavlad.clips.boxes import in_crop, read_boxes
from tavlad.clips.table import count_excluded, read_split
from tavlad.learning.checkpoints import Facts
from tavlad.learning.scores import Predictions
from tavlad.report.confusion import draw_confusion, write_confused
from tavlad.report.looks import look_metrics, read_looks
from tavlad.report.metrics import evaluation_line, evaluation_metrics, write_json
from tavlad.video.frames import read_facts, read_frames_file

PAIRS = 10  # rows of confused.csv
FILES = {"stage1": "_stage1", "stage2": ""}  # the end of the names of a stage's files


def write_evaluation(folder: Path, index: Path, split: str, top: int, boxes: Mapping[str, np.ndarray]) -> str:
    """Write metrics.json (`evaluation_document`), confusion.png and confused.csv to `folder`; the closing line."""
    metrics = evaluation_document(folder, index, split, top, boxes)
    line, final = evaluation_line(metrics), Predictions.load(folder / "predictions.h5")
    write_json(metrics, folder / "metrics.json")
    draw_confusion(final, f"{split}: {line}", folder / "confusion.png")
    write_confused(final, PAIRS, folder / "confused.csv")
    return line


def evaluation_document(
    folder: Path, index: Path, split: str, top: int, boxes: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """What metrics.json says of the predictions and looks in `folder`.

    `index` is the folder that stage index wrote: it knows the parts of `split`, and what they lost. `boxes` are those
    of `cropped_boxes`.
    """
    predictions = {stage: Predictions.load(folder / f"predictions{end}.h5") for stage, end in FILES.items()}
    excluded = count_excluded(index / "excluded.csv", split)
    metrics = evaluation_metrics(predictions, top, read_split(index / f"{split}.csv"), excluded)
    final = predictions["stage2"]
    labels = {clip: final.classes[label] for clip, label in zip(final.ids, final.labels, strict=True)}
    metrics["looks"] = {
        stage: look_metrics(read_looks(folder / f"looks{end}.h5"), labels, boxes) for stage, end in FILES.items()
    }
    return metrics


def cropped_boxes(table: Path, frames: Path, ids: Sequence[str], model: Facts) -> dict[str, np.ndarray]:
    """The true boxes (T, 4) of the sampled frames of those clips in `ids` that the table has, as `in_crop` gives them
    for the crop that `model`, of stage 2, was trained with."""
    if model.crop is None:
        raise ValueError("a model that has seen no frame has no crop: it is no checkpoint of stage 2")
    boxes, found = read_boxes(table), {}
    for clip in boxes.keys() & set(ids):
        file = frames / f"{clip}.h5"
        height, width = read_frames_file(file).shape[1:3]
        found[clip] = in_crop(boxes[clip], read_facts(file), height, width, model.crop)
    return found

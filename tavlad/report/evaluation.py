"""The results of evaluating one split: metrics.json, the confusion matrix, the confused pairs."""

import csv
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from tavlad.data.boxes import in_crop, read_boxes
from tavlad.data.reversal import Pairs, read_pairs
from tavlad.data.table import Split, count_excluded, read_split
from tavlad.learning.clip_attention import read_attention
from tavlad.learning.orders import SCORED
from tavlad.learning.pairs import within_pairs
from tavlad.learning.scores import Predictions
from tavlad.report.attention import attention_metrics
from tavlad.report.figure import figure
from tavlad.report.results import lost
from tavlad.video.frames import read_frame_facts, read_frames_file


def evaluation_metrics(
    predictions: Mapping[str, Predictions], top: int, split: Split, excluded: Mapping[str, int], pairs: Pairs = ()
) -> dict[str, Any]:
    """The document of one split: the scores of each stage, the clips of each part, and how many each part lost."""
    scores = {stage: stage_metrics(made, top, pairs) for stage, made in predictions.items()}
    counts = {part: len(ids) for part, ids in split.parts().items()}
    return {**scores, "clips": counts, "excluded": dict(excluded)}


def stage_metrics(predictions: Predictions, top: int, pairs: Pairs = ()) -> dict[str, float]:
    """top1, top<top>, mean_class_accuracy, with `pairs` of classes also within_pairs (shares, 5 digits), and the number
    of clips."""
    return {
        "top1": round(predictions.top1, 5),
        f"top{top}": round(predictions.top(top), 5),
        "mean_class_accuracy": round(predictions.mean_class_accuracy, 5),
        **({"within_pairs": round(float(within_pairs(predictions, pairs).mean()), 5)} if pairs else {}),
        "clips": len(predictions.ids),
    }


def order_metrics(folder: Path, end: str) -> dict[str, float]:
    """Top-1 accuracy in each frame order except the original one, from the files in `folder` with suffix `end`."""
    others = {order: name for order, name in SCORED.items() if order != "filmed"}
    return {order: round(Predictions.load(folder / f"{name}{end}.h5").top1, 5) for order, name in others.items()}


def evaluation_line(metrics: Mapping[str, Any]) -> str:
    """The main numbers of `evaluation_metrics`, in one line."""
    first, final = metrics["stage1"], metrics["stage2"]
    line = f"{final['clips']} held-out clips, top-1 {final['top1']:.3f} (after stage 1: {first['top1']:.3f})"
    line += f", mean class accuracy {final['mean_class_accuracy']:.3f} ({first['mean_class_accuracy']:.3f})"
    return "; ".join(filter(None, [line, lost(metrics["excluded"])]))


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write `document` in its own key order, for people and for DVC."""
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8", newline="\n")


PRINTED = 20  # with up to this many classes, a cell has space for its count


def draw_confusion(predictions: Predictions, title: str, path: Path) -> None:
    """Write the confusion matrix at `path` (PNG): row = class, column = predicted class, colour = share of the row."""
    counts = predictions.confusion()
    Y = len(counts)
    cell = float(np.clip(4.5 / Y, 0.14, 0.9))  # inches
    clips = counts.sum(axis=1, keepdims=True)
    shares = np.ma.masked_invalid(np.divide(counts, clips, out=np.full(counts.shape, np.nan), where=clips > 0))
    side = Y * cell
    with figure(path, side, side) as drawn:
        axes = drawn.add_axes((0, 0, 1, 1))
        # the square root keeps a single error visible beside a full diagonal
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest", aspect="auto")
        axes.set_facecolor("0.9")  # for a class without clips
        _label(axes, predictions.classes, cell)
        axes.set_title(textwrap.fill(title, max(30, round(side * 14))), pad=10)
        if Y <= PRINTED:
            _print_counts(axes, counts, shares.filled(0))
        height = min(1, 4.5 / side)
        bar = drawn.add_axes((1 + 0.2 / side, 1 - height, 0.14 / side, height))
        ticks = [0, 0.05, 0.2, 0.5, 1]
        drawn.colorbar(image, cax=bar, ticks=ticks, format="{x:.0%}", label="share of the class's clips")
        bar.grid(False)


def _label(axes: Axes, classes: tuple[str, ...], cell: float) -> None:
    Y = len(classes)
    size = min(10.0, cell * 72 * 0.75)
    many = Y > PRINTED
    axes.set_xticks(range(Y), classes, fontsize=size, rotation=90 if many else 45, ha="center" if many else "right")
    for tick in axes.get_xticklabels():
        tick.set_rotation_mode("default" if many else "anchor")
    axes.set_yticks(range(Y), classes, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("class")
    axes.grid(False)
    axes.tick_params(which="both", length=0)
    step = 5 if many else 1  # grid lines, to follow a row by eye
    for place in np.arange(step, Y, step) - 0.5:
        axes.axhline(place, color="0.85", linewidth=0.5)
        axes.axvline(place, color="0.85", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(True)


def _print_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.4 else "0.2"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)


def write_confused(predictions: Predictions, n: int, path: Path) -> None:
    """Write the n most confused pairs as CSV: class, predicted, clips, and their share of the class's clips."""
    clips = dict(zip(predictions.classes, predictions.confusion().sum(axis=1), strict=True))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "predicted", "clips", "share"])
        for label, predicted, count in predictions.confused_pairs(n):
            writer.writerow([label, predicted, count, round(count / clips[label], 5)])


PAIRS = 10  # rows of confused.csv
FILES = {"stage1": "_stage1", "stage2": ""}  # the suffix of a stage's file names
AVERAGE = "predictions_average.h5"  # average pooling and a linear layer


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
    """The contents of metrics.json for the predictions and attention in `folder`.

    `index` is the output folder of stage index: it has the parts of `split`, the clips they lost, and the pairs of
    classes. `boxes` come from `cropped_boxes`.
    """
    predictions = {stage: Predictions.load(folder / f"predictions{end}.h5") for stage, end in FILES.items()}
    excluded, pairs = count_excluded(index / "excluded.csv", split), read_pairs(index / "reversals.csv")
    metrics = evaluation_metrics(predictions, top, read_split(index / f"{split}.csv"), excluded, pairs)
    final = predictions["stage2"]
    labels = {clip: final.classes[label] for clip, label in zip(final.ids, final.labels, strict=True)}
    average = Predictions.load(folder / AVERAGE)
    metrics["average"] = {
        "top1": round(average.top1, 5),
        "mean_class_accuracy": round(average.mean_class_accuracy, 5),
    }
    for stage, end in FILES.items():
        metrics[stage]["order"] = order_metrics(folder, end)
    metrics["attention"] = {
        stage: attention_metrics(read_attention(folder / f"attention{end}.h5"), labels, boxes)
        for stage, end in FILES.items()
    }
    return metrics


def cropped_boxes(table: Path, frames: Path, ids: Sequence[str], crop: int | None) -> dict[str, np.ndarray]:
    """The true boxes (T, 4) of the sampled frames, for the clips in `ids` that the table has, as `in_crop` gives them
    for the `crop` that the stage 2 model was trained with."""
    if crop is None:
        raise ValueError("this model was trained without frames, so it has no crop: it is not a stage 2 checkpoint")
    boxes, found = read_boxes(table), {}
    for clip in boxes.keys() & set(ids):
        file = frames / f"{clip}.h5"
        height, width = read_frames_file(file).shape[1:3]
        found[clip] = in_crop(boxes[clip], read_frame_facts(file), height, width, crop)
    return found

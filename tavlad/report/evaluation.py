"""What evaluation writes about one split, for people."""

from collections.abc import Mapping
from pathlib import Path

from tavlad.clips.table import count_excluded, read_split
from tavlad.learning.scores import Predictions
from tavlad.report.confusion import draw_confusion, write_confused
from tavlad.report.metrics import evaluation_line, evaluation_metrics, write_json

PAIRS = 10  # rows of confused.csv


def write_evaluation(folder: Path, index: Path, split: str, predictions: Mapping[str, Predictions], top: int) -> str:
    """Write metrics.json of `predictions` by stage, confusion.png and confused.csv of "stage2"; the closing line.

    `index` is the folder that stage index wrote: it knows the parts of `split`, and what they lost.
    """
    excluded = count_excluded(index / "excluded.csv", split)
    metrics = evaluation_metrics(predictions, top, read_split(index / f"{split}.csv"), excluded)
    line = evaluation_line(metrics)
    write_json(metrics, folder / "metrics.json")
    draw_confusion(predictions["stage2"], f"{split}: {line}", folder / "confusion.png")
    write_confused(predictions["stage2"], PAIRS, folder / "confused.csv")
    return line

"""What evaluation and both trainings left of one split, read back."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tavlad.learning.scores import Predictions

STAGES = ("stage1", "stage2")
Curve = dict[str, np.ndarray]  # column of curve.csv -> values (epochs)


@dataclass(frozen=True)
class Result:
    """One split: its name, predictions and learning curves by stage, and its metrics.json."""

    split: str
    predictions: dict[str, Predictions]
    curves: dict[str, Curve]
    metrics: dict[str, Any]


def read_results(evaluate: Path, stage1: Path, stage2: Path, splits: tuple[str, ...]) -> list[Result]:
    """The results of `splits`, each below the three folders; ValueError where they do not speak of the same classes."""
    results = []
    for split in splits:
        files = {"stage1": evaluate / split / "predictions_stage1.h5", "stage2": evaluate / split / "predictions.h5"}
        curves = {"stage1": stage1 / split / "curve.csv", "stage2": stage2 / split / "curve.csv"}
        result = Result(
            split,
            {stage: Predictions.load(file) for stage, file in files.items()},
            {stage: read_curve(file) for stage, file in curves.items()},
            json.loads((evaluate / split / "metrics.json").read_text(encoding="utf-8")),
        )
        results.append(result)
    if len({result.predictions[stage].classes for result in results for stage in STAGES}) != 1:
        raise ValueError("the splits and stages were evaluated on different classes")
    return results


def read_curve(path: Path) -> Curve:
    """The columns of curve.csv, float64 (epochs): epoch, loss, accuracy, lr, validation if there was one.

    A stage 2 of 0 epochs has empty columns.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    return {name: np.array([float(row[name]) for row in rows]) for name in reader.fieldnames or ()}

"""The document of one split, and how it is put into words."""

import json
from pathlib import Path

import numpy as np
import pytest

from tavlad.data.table import Split
from tavlad.learning.scores import Predictions
from tavlad.report.evaluation import evaluation_line, evaluation_metrics, lost, write_json

NONE = {"train": 0, "validation": 0, "test": 0}


@pytest.fixture
def predictions() -> Predictions:
    logits = np.array([[3, 2, 1], [3, 2, 1], [1, 2, 3]], np.float32)  # ranks of the labels: 1, 2, 3
    return Predictions(("x", "y", "z"), np.array([0, 1, 0]), logits, ("a", "b", "c"))


def test_all_scores_and_counts_are_there(predictions: Predictions) -> None:
    split = Split(train=("p", "q"), validation=("r",), test=predictions.ids)
    metrics = evaluation_metrics({"stage1": predictions, "stage2": predictions}, 2, split, {**NONE, "test": 4})
    scores = {"top1": 0.33333, "top2": 0.66667, "mean_class_accuracy": 0.25, "clips": 3}
    assert metrics == {
        "stage1": scores,
        "stage2": scores,
        "clips": {"train": 2, "validation": 1, "test": 3},
        "excluded": {"train": 0, "validation": 0, "test": 4},
    }


def test_order_is_measured_where_classes_are_each_others_reversal() -> None:
    logits = np.array([[3, 2, 9, 0], [3, 2, 1, 0], [0, 0, 1, 2]], np.float32)  # the first two are the same frames
    made = Predictions(("x", "y", "z"), np.array([0, 1, 3]), logits, ("a", "b", "c", "d"))
    split, pairs = Split(("p",), (), made.ids), [("a", "b"), ("c", "d")]
    metrics = evaluation_metrics({"stage1": made, "stage2": made}, 2, split, NONE, pairs)
    assert metrics["stage1"] == metrics["stage2"]
    assert list(metrics["stage1"]) == ["top1", "top2", "mean_class_accuracy", "within_pairs", "clips"]
    assert metrics["stage1"]["within_pairs"] == 0.66667 and metrics["stage1"]["top1"] == 0.33333


def test_a_split_that_lost_clips_says_so(predictions: Predictions) -> None:
    assert lost(NONE) == ""
    assert lost({"train": 2, "validation": 0, "test": 1}) == "clips left out by dataset.exclude: 2 train, 1 test"
    both = {"stage1": predictions, "stage2": predictions}
    metrics = [evaluation_metrics(both, 2, Split(("p",), (), predictions.ids), {**NONE, "test": n}) for n in (0, 1)]
    whole, less = map(evaluation_line, metrics)
    assert whole == "3 held-out clips, top-1 0.333 (after stage 1: 0.333), mean class accuracy 0.250 (0.250)"
    assert less == f"{whole}; clips left out by dataset.exclude: 1 test"


def test_json_keeps_the_order_of_its_keys(tmp_path: Path) -> None:
    write_json({"mean": 0.5, "excluded": 1, "a": 2}, tmp_path / "m.json")
    text = (tmp_path / "m.json").read_bytes()
    assert list(json.loads(text)) == ["mean", "excluded", "a"] and text.endswith(b"}\n") and b"\r" not in text

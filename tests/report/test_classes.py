"""Recalls and confusions of fabricated splits whose numbers are known."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tavlad.learning.scores import Predictions
from tavlad.report.classes import all_splits, class_rows, write_class_table
from tests.report.made import FOUR, made_result, next_class


def test_class_accuracies_are_blank_where_a_split_has_no_clips(tmp_path: Path) -> None:
    full = next_class(38)  # the last two, of classes c and d, are wrong
    lacking = Predictions(("p", "q"), np.array([0, 1]), np.eye(4, dtype=np.float32)[[0, 2]], FOUR)
    write_class_table([made_result("split1", full), made_result("split2", lacking)], tmp_path / "classes.csv")
    with open(tmp_path / "classes.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["class", "clips", "split1", "split2", "mean"],
        ["a", "11", "1.0", "1.0", "1.0"],
        ["b", "11", "1.0", "0.0", "0.5"],
        ["c", "10", "0.9", "", "0.9"],
        ["d", "10", "0.9", "", "0.9"],
    ]


def test_a_class_without_any_held_out_clip_has_no_mean(tmp_path: Path) -> None:
    only = Predictions(("p",), np.array([0]), np.eye(1, 4, dtype=np.float32), FOUR)
    write_class_table([made_result("split1", only)], tmp_path / "classes.csv")
    assert (tmp_path / "classes.csv").read_text().splitlines()[2] == "b,0,,"


def test_what_a_class_is_taken_for_is_counted_over_all_splits() -> None:
    results = [made_result(f"split{k}", next_class(right)) for k, right in ((1, 40), (2, 36), (3, 34))]
    rows = {row.name: row for row in class_rows(results)}
    assert [(row.clips, row.taken_for, row.times) for row in rows.values()] == [
        (30, "b", 2),
        (30, "c", 2),
        (30, "d", 3),
        (30, "a", 3),
    ]
    assert rows["c"].recalls == (1.0, 0.9, 0.8) and rows["c"].mean == pytest.approx(0.9)
    whole = all_splits(results)
    assert len(whole.ids) == 120 and whole.ids[40] == "split2/clip 0" and whole.right.sum() == 40 + 36 + 34
    alone = class_rows([made_result("split1", next_class(40))])
    assert {(row.taken_for, row.times) for row in alone} == {("", 0)}

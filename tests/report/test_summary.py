"""Means, tables and doubts over fabricated splits whose numbers are known."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tavlad.learning.curve import read_curve
from tavlad.learning.scores import Predictions
from tavlad.report.attention import entropy
from tavlad.report.evaluation import stage_metrics
from tavlad.report.figure import draw_curves
from tavlad.report.results import COLLAPSED, UNIFORM, SplitResult, read_results, warnings_of
from tavlad.report.summary import (
    class_line,
    comparison_line,
    headline,
    headline_line,
    print_table,
    write_comparison,
)

CLASSES = ("a", "b", "c", "d")


def predictions(right: int, clips: int = 40) -> Predictions:
    """Labels 0, 1, 2, 3, 0, ...; the first `right` clips are predicted right, the others as the next class."""
    labels = np.arange(clips) % 4
    predicted = np.where(np.arange(clips) < right, labels, (labels + 1) % 4)
    ids = tuple(f"clip {i}" for i in range(clips))
    return Predictions(ids, labels, np.eye(4, dtype=np.float32)[predicted], CLASSES)


def result(split: str, first: Predictions, final: Predictions, trained: float = 0.95, excluded: int = 0) -> SplitResult:
    curve = {"epoch": np.array([1.0, 2.0]), "loss": np.array([1.0, 0.5]), "accuracy": np.array([0.3, trained])}
    metrics = {
        "stage1": stage_metrics(first, 3) | {"order": {"reversed": 0.25, "shuffled": 0.5}},
        "stage2": stage_metrics(final, 3) | {"order": {"reversed": round(final.top1 / 2, 5), "shuffled": 0.5}},
        "average": {"top1": 0.375, "mean_class_accuracy": 0.4},
        "excluded": {"train": excluded, "validation": 0, "test": 0},
    }
    return SplitResult(split, {"stage1": first, "stage2": final}, {"stage1": curve, "stage2": curve}, metrics)


@pytest.fixture
def results() -> list[SplitResult]:
    return [result(f"split{k}", predictions(30), predictions(30 + 2 * k)) for k in (1, 2, 3)]


def test_the_headline_is_the_mean_and_then_the_splits(results: list[SplitResult]) -> None:
    numbers = headline(results)
    assert list(numbers) == ["mean", "split1", "split2", "split3"]
    assert numbers == {"mean": 0.85, "split1": 0.8, "split2": 0.85, "split3": 0.9}
    assert headline_line(numbers) == "mean top-1 0.850 of 0.800, 0.850, 0.900"
    uneven = headline([result("split1", predictions(3), predictions(r, 7)) for r in (1,)])
    assert uneven == {"mean": 0.14286, "split1": 0.14286}


def test_excluded_appears_only_where_clips_were_left_out(results: list[SplitResult]) -> None:
    results[1] = result("split2", predictions(30), predictions(34), excluded=3)
    assert headline(results)["excluded"] == 3
    assert list(headline(results))[-1] == "excluded"
    assert headline_line(headline(results)).endswith("0.900")


def test_the_table_shows_every_score(results: list[SplitResult], capsys: pytest.CaptureFixture[str]) -> None:
    results[0] = result("[bold]1", predictions(30), predictions(32), excluded=2)
    print_table(results)
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == ("held-out clips", "[bold]1: clips left out by dataset.exclude: 2 train")
    assert [line for line in lines if "mean class" in line and "top3" in line]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert [row[:2] for row in rows] == [["[bold]1", "40"], ["split2", "40"], ["split3", "40"], ["mean", ""]]
    assert [row[5] for row in rows] == ["0.800", "0.850", "0.900", "0.850"]
    assert "│ split2  │    40 │" in lines[-7]  # numbers to the right
    assert lines[-5].startswith("├")  # above the mean
    assert lines[-2] == comparison_line(results)


def test_what_vlad_the_gru_and_the_order_of_time_are_worth_is_compared(
    results: list[SplitResult], tmp_path: Path
) -> None:
    line = comparison_line(results)
    assert line == (
        "mean top-1: average pooling + linear: 0.375; stage 1: 0.750 (frames reversed 0.250, shuffled 0.500); "
        "stage 2: 0.850 (frames reversed 0.425, shuffled 0.500)"
    )
    write_comparison(results, tmp_path / "comparison.csv")
    with open(tmp_path / "comparison.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["model", "frames", "split1", "split2", "split3", "mean"],
        ["average", "filmed", "0.375", "0.375", "0.375", "0.375"],
        ["stage1", "filmed", "0.75", "0.75", "0.75", "0.75"],
        ["stage1", "reversed", "0.25", "0.25", "0.25", "0.25"],
        ["stage1", "shuffled", "0.5", "0.5", "0.5", "0.5"],
        ["stage2", "filmed", "0.8", "0.85", "0.9", "0.85"],
        ["stage2", "reversed", "0.4", "0.425", "0.45", "0.425"],
        ["stage2", "shuffled", "0.5", "0.5", "0.5", "0.5"],
    ]


def test_sound_results_raise_no_doubt(results: list[SplitResult]) -> None:
    assert warnings_of(results) == []


@pytest.mark.parametrize(
    ("doubtful", "words"),
    [
        (result("s", predictions(38), predictions(38), trained=0.4), "s: stage 1 ends at a training accuracy of 0.40"),
        (result("s", predictions(12), predictions(38)), "distinguished from chance (0.300 on 40 clips, 0.250 by"),
        (result("s", predictions(38), predictions(28)), "stage 2 is worse than stage 1 (0.700 against 0.950)"),
        (result("s", predictions(38), predictions(38), excluded=1), "s: clips left out by dataset.exclude: 1 train"),
    ],
)
def test_every_doubt_is_named_alone(doubtful: SplitResult, words: str) -> None:
    assert [words in line for line in warnings_of([doubtful])] == [True]


def looked(**measures: tuple[float, float]) -> SplitResult:
    """A sound split whose looks have these measures after stage 1 and stage 2."""
    sound = result("s", predictions(38), predictions(38))
    usual = {"entropy": (0.9, 0.85), "empty_clusters": (0.4, 0.4), "confident_assignments": (0.9, 0.9)}
    pairs = usual | measures
    sound.metrics["attention"] = {
        stage: {name: pair[place] for name, pair in pairs.items()} for place, stage in enumerate(("stage1", "stage2"))
    }
    return sound


@pytest.mark.parametrize(
    ("measures", "line"),
    [
        ({"entropy": (0.9, 0.05)}, "stage2 (entropy 0.050): attention has collapsed"),
        ({"entropy": (1.0, 0.9)}, "stage1 (entropy 1.000): attention is uniform"),
        ({"empty_clusters": (0.96, 0.97)}, "stage1 (empty_clusters 0.960) and stage2 (empty_clusters 0.970): a clip"),
        ({"confident_assignments": (0.9, 0.0)}, "stage2 (confident_assignments 0.000): clusters share every"),
        ({}, None),
    ],
)
def test_looks_that_say_nothing_are_doubted(measures: dict[str, tuple[float, float]], line: str | None) -> None:
    assert [found.startswith(f"s: {line}") for found in warnings_of([looked(**measures)])] == ([True] if line else [])


def test_a_variant_without_attention_and_clusters_is_not_doubted_for_it() -> None:
    plain = looked()
    plain.metrics["attention"] = {"stage1": {}, "stage2": {}}
    assert warnings_of([plain]) == []


def test_the_thresholds_of_entropy_mean_what_they_say() -> None:
    """By closed form on 7x7 locations: 95 % in one of them; weights that differ by a tenth of their mean."""
    one = np.full((7, 7), 0.05 / 48)
    one[3, 3] = 0.95
    assert entropy(one) == pytest.approx(COLLAPSED, abs=0.005)
    rough = 1 + 0.1 * np.resize([-1, 1], 48)
    share = entropy((rough / rough.sum()).reshape(6, 8))
    assert share < UNIFORM and 1 - share == pytest.approx(0.1**2 / 2 / np.log(48), rel=0.01)


def test_a_small_loss_in_stage_2_is_no_doubt() -> None:
    assert warnings_of([result("s", predictions(38), predictions(36))]) == []


def test_classes_that_are_never_predicted_are_named() -> None:
    labels = np.arange(40) % 4
    never = Predictions(predictions(40).ids, labels, np.eye(4, dtype=np.float32)[labels // 2 * 2], CLASSES)
    (line,) = warnings_of([result("s", never, never)])
    assert line == "s: never predicted: b, d (2 of 4 classes)"


def test_classes_of_very_different_sizes_are_named_over_all_splits() -> None:
    def of(labels: np.ndarray) -> SplitResult:
        ids = tuple(f"clip {i}" for i in range(len(labels)))
        return result("s", *[Predictions(ids, labels, np.eye(4, dtype=np.float32)[labels], CLASSES)] * 2)

    large, small = (of(np.array([0, 1, 2, 3] + [3] * more)) for more in (12, 3))
    assert warnings_of([small, small]) == []
    (line,) = (line for line in warnings_of([large, large]) if "held-out clips, class" in line)
    assert line.startswith("class d has 26 held-out clips, class a has 2: read mean class accuracy beside top-1")


def test_the_mean_class_accuracy_is_said_beside_top_1(results: list[SplitResult]) -> None:
    uneven = Predictions(("p", "q", "r"), np.array([0, 0, 1]), np.eye(4, dtype=np.float32)[[0, 0, 2]], CLASSES)
    assert class_line([result("s", uneven, uneven)]) == "mean class accuracy 0.500"  # top-1: 0.667
    assert class_line(results) == "mean class accuracy 0.850"


def test_curves_have_the_same_bytes_again(results: list[SplitResult], tmp_path: Path) -> None:
    results[0].curves["stage1"]["validation"] = np.array([0.2, 0.6])
    for name in ("one.png", "two.png"):
        draw_curves(results, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_curve_is_read_by_its_columns(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("epoch,loss,accuracy,lr\n1,2.5,0.125,0.01\n2,1e-05,1.0,0.005\n")
    curve = read_curve(tmp_path)
    assert {name: values.tolist() for name, values in curve.items()} == {
        "epoch": [1, 2],
        "loss": [2.5, 1e-5],
        "accuracy": [0.125, 1],
        "lr": [0.01, 0.005],
    }
    (tmp_path / "curve.csv").write_text("epoch,loss,accuracy,lr\n")
    assert {name: len(values) for name, values in read_curve(tmp_path).items()} == {
        "epoch": 0,
        "loss": 0,
        "accuracy": 0,
        "lr": 0,
    }


def test_splits_of_different_classes_are_not_summed_up(tmp_path: Path) -> None:
    other = Predictions(("p",), np.array([0]), np.eye(1, 4, dtype=np.float32), CLASSES[::-1])
    for split, made in (("split1", predictions(30)), ("split2", other)):
        for name in ("evaluate", "stage1", "stage2"):
            (tmp_path / name / split).mkdir(parents=True)
        made.save(tmp_path / "evaluate" / split / "predictions.h5")
        made.save(tmp_path / "evaluate" / split / "predictions_stage1.h5")
        (tmp_path / "evaluate" / split / "metrics.json").write_text("{}")
        for name in ("stage1", "stage2"):
            (tmp_path / name / split / "curve.csv").write_text("epoch,loss,accuracy,lr\n1,2,0.5,0.1\n")
    folders = (tmp_path / "evaluate", tmp_path / "stage1", tmp_path / "stage2")
    assert [one.split for one in read_results(*folders, ("split1",))] == ["split1"]
    with pytest.raises(ValueError, match="different classes"):
        read_results(*folders, ("split1", "split2"))

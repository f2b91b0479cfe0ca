"""The confusion figure: right cells, stable bytes, any class names; and the table of confused pairs."""

import csv
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from tavlad.learning.scores import Predictions
from tavlad.report import evaluation
from tavlad.report.evaluation import draw_confusion, write_confused


def predictions(labels: list[int], predicted: list[int], Y: int, names: str = "class {}") -> Predictions:
    logits = np.eye(Y, dtype=np.float32)[predicted]
    classes = tuple(names.format(number) for number in range(Y))
    return Predictions(tuple(f"clip {i}" for i in range(len(labels))), np.array(labels), logits, classes)


def test_cells_hold_counts_and_row_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, texts = [], []
    monkeypatch.setattr(Axes, "imshow", record(shown, Axes.imshow))
    monkeypatch.setattr(Axes, "text", record(texts, Axes.text))
    draw_confusion(predictions([0, 0, 0, 0, 1], [0, 0, 0, 1, 0], 3), "title", tmp_path / "c.png")
    shares = shown[0][0]
    assert shares.filled(-1).tolist() == [[0.75, 0.25, 0], [1, 0, 0], [-1, -1, -1]]  # class 2 has no clips
    assert {(x, y, text) for x, y, text in texts} == {(0, 0, "3"), (1, 0, "1"), (0, 1, "1")}


def record(calls: list, original):
    def recorded(self, *args, **kwargs):
        calls.append(args)
        return original(self, *args, **kwargs)

    return recorded


@pytest.mark.parametrize("Y", [2, 8, evaluation.PRINTED + 1])
def test_bytes_do_not_change_from_run_to_run_or_with_the_user_style(tmp_path: Path, Y: int) -> None:
    some = predictions([0, 1, 1], [0, 1, 0], Y)
    draw_confusion(some, "split1", tmp_path / "one.png")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30}):
        draw_confusion(some, "split1", tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert not Image.open(tmp_path / "one.png").info.keys() - {"dpi"}


def test_many_classes_make_a_larger_figure_whose_labels_do_not_overlap(tmp_path: Path) -> None:
    sizes = {}
    for Y in (8, 101):
        draw_confusion(predictions([0, 1], [0, 1], Y), "t", tmp_path / "c.png")
        sizes[Y] = min(Image.open(tmp_path / "c.png").size)
    assert 600 < sizes[8] < 1200
    assert 101 * 20 < sizes[101] < 4000  # 20 pixels a label


def test_class_names_are_not_formulas(tmp_path: Path) -> None:
    draw_confusion(predictions([0], [1], 2, "$\\frac{{{}$"), "$x_{$", tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_confused_pairs_with_their_share_of_the_class(tmp_path: Path) -> None:
    write_confused(predictions([0, 0, 0, 1, 2, 2], [1, 1, 0, 0, 2, 2], 3, "a,{}"), 10, tmp_path / "c.csv")
    with open(tmp_path / "c.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["class", "predicted", "clips", "share"],
        ["a,0", "a,1", "2", "0.66667"],
        ["a,1", "a,0", "1", "1.0"],
    ]

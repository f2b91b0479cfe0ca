"""The pictures for `dvc plots`: what is drawn, and the same bytes for the same results."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from tavlad.learning.scores import Predictions
from tavlad.report import plots
from tavlad.report.plots import draw_plots, draw_recalls
from tests.report.made import FOUR, made_result, next_class


def test_a_bar_and_a_mark_of_each_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars, marks = [], []
    barh, plot = Axes.barh, Axes.plot
    monkeypatch.setattr(Axes, "barh", lambda *a, **k: (bars.append(list(a[2])), barh(*a, **k))[1])
    monkeypatch.setattr(Axes, "plot", lambda *a, **k: (marks.append(list(a[1])), plot(*a, **k))[1])
    lacking = Predictions(("p", "q"), np.array([0, 1]), np.eye(4, dtype=np.float32)[[0, 2]], FOUR)
    results = [made_result("split1", next_class(38)), made_result("split2", lacking)]
    for name in ("a.png", "b.png"):
        draw_recalls(results, tmp_path / name)
    np.testing.assert_allclose(bars[0], [1, 0.5, 0.9, 0.9])
    np.testing.assert_allclose(marks[0], [1, 1, 0.9, 0.9])
    np.testing.assert_allclose(marks[1], [1, 0, np.nan, np.nan])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_three_pictures_the_confusions_of_all_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, draw = [], plots.draw_confusion
    monkeypatch.setattr(plots, "draw_confusion", lambda *a: (drawn.append(a), draw(*a))[1])
    draw_plots([made_result("split1", next_class(40)), made_result("split3", next_class(30))], tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"curves.png", "confusion.png", "classes.png"}
    assert all(Image.open(file).width > 300 for file in tmp_path.iterdir())
    ((made, title, _),) = drawn
    assert made.confusion().sum() == 80 and np.trace(made.confusion()) == 70 and title.startswith("split1, split3: ")

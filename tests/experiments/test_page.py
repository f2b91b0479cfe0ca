"""The report over fabricated runs: rows, comparisons, and a page that needs nothing beside it."""

import re
from pathlib import Path

import numpy as np
import pytest

from tavlad.experiments.outcomes import Outcome, by_variant
from tavlad.experiments.page import paper_note, write_report
from tavlad.experiments.plan import Plan
from tavlad.experiments.tables import comparisons, rows
from tests.experiments.made import outcome

PLAN = Plan.model_validate(
    {
        "base": {},
        "variants": {
            "good": {"set": {}, "label": "the <good> one", "paper": 56.1},
            "bad": {"set": {"temporal": "sum"}},
        },
        "experiments": {
            "pair": {"title": "A pair", "variants": ["good", "bad"], "seeds": [1, 2], "compare": [["good", "bad"]]},
            "grid": {"title": "A grid", "grid": {"clusters": [4, 8], "hidden": [2]}, "seeds": [1]},
        },
    }
)
T, F = True, False


@pytest.fixture
def outcomes() -> list[Outcome]:
    good = [[[T] * 16, [T] * 12 + [F] * 4], [[T] * 8 + [F] * 8, [T] * 16]]
    bad = [[T, F] * 8, [F, T] * 8]
    return [
        outcome("good", 1, good[0]),
        outcome("good", 2, good[1]),
        outcome("bad", 1, bad),
        outcome("bad", 2, bad, stage1=True),
        outcome("k4-d2", 1, [[T] * 16, [T] * 16], stage1=True),
    ]


def test_a_row_has_mean_deviation_and_pairs(outcomes: list[Outcome]) -> None:
    good, bad = rows(PLAN, PLAN.experiments["pair"], outcomes, ["good", "bad"])
    score = good.scores["stage2"]
    assert (score.seeds, score.mean) == (2, pytest.approx((0.875 + 0.75) / 2))
    assert score.deviation == pytest.approx(np.std([0.875, 0.75], ddof=1))
    assert score.pairs == pytest.approx(score.mean)  # the wrong ones went to the other class of their pair
    assert (good.label, good.paper, good.parameters, good.seconds["stage1"]) == ("the <good> one", 56.1, 1234, 12)
    assert bad.scores["stage1"].seeds == 2 and bad.scores["stage2"].seeds == 1


def test_pairs_are_compared_over_the_seeds_that_both_have(outcomes: list[Outcome]) -> None:
    found = {pair.stage: pair for pair in comparisons(PLAN.experiments["pair"], outcomes)}
    assert (found["stage1"].seeds, found["stage2"].seeds) == (2, 1)
    assert found["stage2"].difference.gain == pytest.approx(28 / 32 - 16 / 32)
    assert found["stage1"].difference.gain == pytest.approx(26 / 32 - 16 / 32)


def test_of_two_runs_of_a_seed_the_whole_one_counts(outcomes: list[Outcome]) -> None:
    both = [outcome("good", 1, [[F] * 16] * 2, stage1=True), *outcomes]
    assert [one.run.name for one in by_variant(both, "stage1")["good"]] == ["good-seed1", "good-seed2"]


def test_the_page_holds_its_pictures_and_the_tables_are_markdown_too(outcomes: list[Outcome], tmp_path: Path) -> None:
    assert write_report(PLAN, outcomes, "data/<demo>", tmp_path) == ["pair", "grid"]
    page = (tmp_path / "index.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("index.html", "tables.md", "pair-stage1.png", "pair-stage2.png", "grid-stage1.png"),
    }
    assert page.count("data:image/png;base64,") == 3 and not re.search(r'(src|href)="(?!data:)', page)
    assert "the &lt;good&gt; one" in page and "data/&lt;demo&gt;" in page and "<good>" not in page
    tables = (tmp_path / "tables.md").read_text()
    assert "| good over bad | stage 2 | 1 | +37.5 [" in tables and "## A grid" in tables
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(PLAN, outcomes, "data/<demo>", tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_the_note_on_the_paper_counts_right() -> None:
    assert "1.3 points" in paper_note() and "1.6 (GRU: 1.3 errors)" in paper_note()

"""The report over fabricated runs: rows, comparisons, and a page that needs nothing beside it."""

import re
from pathlib import Path

import numpy as np
import pytest

from tavlad.experiments.outcomes import Outcome, by_variant
from tavlad.experiments.page import LEGEND, paper_note, write_report
from tavlad.experiments.plan import Plan
from tavlad.experiments.tables import comparisons, rows
from tests.experiments.made import named, outcome, ran

PLAN = Plan.model_validate(
    {
        "base": {},
        "variants": {
            "good": {"set": {}, "label": "<good>|1", "paper": 56.1},
            "bad": {"set": {"temporal": "sum"}},
        },
        "experiments": {
            "pair": {"title": "A pair", "variants": ["good", "bad"], "seeds": [1, 2], "compare": [["good", "bad"]]},
            "a/grid": {"title": "A grid", "grid": {"clusters": [4, 8], "hidden": [2]}, "seeds": [1]},
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
    assert (good.label, good.paper, good.parameters, good.seconds["stage1"]) == ("<good>|1", 56.1, 1234, 12)
    assert bad.scores["stage1"].seeds == 2 and bad.scores["stage2"].seeds == 1


def test_a_gain_is_the_difference_of_the_accuracies_shown_though_splits_overlap(outcomes: list[Outcome]) -> None:
    rng = np.random.default_rng(5)
    tested = [[f"clip{number}" for number in rng.permutation(30)[:size]] for size in (7, 12, 25)]
    groups = {f"clip{number}": f"video{number // 3}" for number in range(30)}
    mixed = [
        ran(name, seed, [named(ids, (rng.random(len(ids)) < share).tolist()) for ids in tested], groups)
        for name, share in (("good", 0.8), ("bad", 0.6))
        for seed in (1, 2, 3)
    ]
    for made in (outcomes, mixed):
        shown = {row.variant: row.scores for row in rows(PLAN, PLAN.experiments["pair"], made, ["good", "bad"])}
        pairs = comparisons(PLAN.experiments["pair"], made)
        assert [pair.stage for pair in pairs] == ["stage1", "stage2"]
        for pair in pairs:
            good, bad = shown["good"][pair.stage], shown["bad"][pair.stage]
            assert pair.difference.gain == pytest.approx(good.mean - bad.mean, abs=1e-12)
            assert pair.difference.groups == good.groups == bad.groups
            assert pair.seeds == (good.seeds, bad.seeds)
    hits = [np.mean(split.right) for one in mixed[:3] for split in one.predictions["stage1"]]
    assert shown["good"]["stage1"].mean == pytest.approx(np.mean(hits), abs=1e-12)
    assert shown["good"]["stage1"].pairs == pytest.approx(np.mean(hits), abs=1e-12)


def test_p_is_there_after_both_stages_and_corrected_for_the_pairs_of_one_stage() -> None:
    plan = PLAN.model_copy(update={"variants": {name: PLAN.variants["bad"] for name in "abc"}})
    chosen = PLAN.experiments["pair"].model_copy(update={"compare": [["a", "b"], ["a", "c"], ["b", "c"]]})
    right = {"a": [[T] * 16, [T] * 16], "b": [[T, F] * 8, [T] * 16], "c": [[T, F, F, F] * 4, [T] * 16]}
    made = [outcome(name, 1, right[name], stage1=name == "c") for name in plan.variants]
    found = {(pair.stage, pair.ours, pair.theirs): pair for pair in comparisons(chosen, made)}
    assert [key[0] for key in found] == ["stage1"] * 3 + ["stage2"]
    p = {key[1:]: pair.difference.p for key, pair in found.items() if key[0] == "stage1"}
    assert p == {("a", "b"): 2 / 2**8, ("a", "c"): 2 / 2**8, ("b", "c"): 2 / 2**4}
    corrected = {key[1:]: pair.corrected for key, pair in found.items() if key[0] == "stage1"}
    assert corrected == {("a", "b"): 6 / 2**8, ("a", "c"): 6 / 2**8, ("b", "c"): 2 / 2**4}
    assert found["stage2", "a", "b"].corrected == found["stage2", "a", "b"].difference.p == 2 / 2**8


def test_of_two_runs_of_a_seed_the_whole_one_counts(outcomes: list[Outcome]) -> None:
    both = [outcome("good", 1, [[F] * 16] * 2, stage1=True), *outcomes]
    assert [one.run.name for one in by_variant(both, "stage1")["good"]] == ["good-seed1", "good-seed2"]


def test_the_page_holds_its_pictures_and_the_tables_are_markdown_too(outcomes: list[Outcome], tmp_path: Path) -> None:
    assert write_report(PLAN, outcomes, "data/<demo>", tmp_path) == ["pair", "a/grid"]
    page = (tmp_path / "index.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("index.html", "tables.md", "pair-stage1.png", "pair-stage2.png", "a-grid-stage1.png"),
    }
    assert page.count("data:image/png;base64,") == 3 and not re.search(r'(src|href)="(?!data:|#)', page)
    assert "&lt;good&gt;|1" in page and "data/&lt;demo&gt;" in page and "<good>" not in page
    tables = (tmp_path / "tables.md").read_text()
    assert "| good over bad | stage 1 | 2 | 16 | +31.2 [" in tables and "## A grid" in tables
    assert "| good over bad | stage 2 | 2 / 1 | 16 | +31.2 [" in tables and r"| <good>\|1 | 16 | 81.2 " in tables
    assert all(words in tables and f"<dt>{name}</dt>" in page for name, words in LEGEND.items())
    heads = next(line for line in tables.splitlines() if line.startswith("| compared"))
    assert heads.endswith("| clips better / worse | p (sign flips) | p (Holm) |")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(PLAN, outcomes, "data/<demo>", tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_the_note_on_the_paper_counts_right() -> None:
    assert "1.3 points" in paper_note() and "1.6 (GRU: 1.3 errors)" in paper_note()

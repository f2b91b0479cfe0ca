"""The tables of a report: one row per variant and per compared pair, as numbers and as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tavlad.experiments import statistics
from tavlad.experiments.outcomes import Outcome, by_variant
from tavlad.experiments.plan import Experiment, Plan
from tavlad.experiments.statistics import Difference, Interval, Judge, Scored
from tavlad.learning.pairs import within_pairs

STAGES = ("stage1", "stage2")


@dataclass(frozen=True)
class Score:
    """A variant after one stage: accuracy over all clips, its standard deviation over seeds, its interval over groups;
    mean class accuracy; accuracy within time-reversed pairs with its interval (None without pairs)."""

    seeds: int
    groups: int
    mean: float
    deviation: float
    interval: Interval
    mean_class: float
    pairs: float | None
    pairs_interval: Interval | None


@dataclass(frozen=True)
class VariantRow:
    """A variant: its scores by stage, trained parameters, seconds by stage, and the paper's accuracy (percent)."""

    variant: str
    label: str
    paper: float | None
    scores: dict[str, Score]
    parameters: int
    seconds: dict[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """One pair after one stage: the seeds of each, and p corrected for all pairs of its table after this stage."""

    ours: str
    theirs: str
    stage: str
    seeds: tuple[int, int]
    difference: Difference
    corrected: float


def rows(plan: Plan, experiment: Experiment, outcomes: Sequence[Outcome], names: Sequence[str]) -> list[VariantRow]:
    """One row for each of the variants `names` that ran."""
    found = {stage: by_variant(outcomes, stage) for stage in STAGES}
    made = []
    for name in names:
        if ran := found["stage1"].get(name):
            known = plan.variants.get(name) if experiment.variants else None
            made.append(
                VariantRow(
                    name,
                    (known.label if known else "") or name,
                    known.paper if known else None,
                    {stage: score(found[stage][name], stage) for stage in STAGES if name in found[stage]},
                    ran[0].parameters,
                    {stage: _mean_seconds(found[stage].get(name, []), stage) for stage in STAGES},
                )
            )
    return made


def score(ran: Sequence[Outcome], stage: str) -> Score:
    """The score of one variant from its runs, one per seed."""
    accuracies = statistics.accuracies([one.predictions[stage] for one in ran])
    scored = _scored(ran, stage, statistics.all_classes)
    pairs, pairs_interval = None, None
    if ran[0].pairs:
        within = _scored(ran, stage, partial(within_pairs, pairs=ran[0].pairs))
        pairs, pairs_interval = within.mean, statistics.share_interval(within)
    return Score(
        len(ran),
        scored.group_count,
        scored.mean,
        float(accuracies.std(ddof=1)) if len(ran) > 1 else 0.0,
        statistics.share_interval(scored),
        float(np.mean([split.mean_class_accuracy for one in ran for split in one.predictions[stage]])),
        pairs,
        pairs_interval,
    )


def _scored(ran: Sequence[Outcome], stage: str, right: Judge) -> Scored:
    return statistics.scored([one.predictions[stage] for one in ran], ran[0].groups, right)


def comparisons(experiment: Experiment, outcomes: Sequence[Outcome]) -> list[Comparison]:
    """Each pair of `experiment.compare` after each stage that both reached, over all seeds of each.

    So a gain is the difference of the accuracies in the variants' table, even if one variant has more seeds.
    """
    made = []
    for stage in STAGES:
        found = by_variant(outcomes, stage)
        pairs = [(ours, theirs) for ours, theirs in experiment.compare if ours in found and theirs in found]
        sides = [[_scored(found[name], stage, statistics.all_classes) for name in pair] for pair in pairs]
        differences = [statistics.compare(*pair) for pair in sides]
        corrected = statistics.holm([difference.p for difference in differences])
        for (ours, theirs), difference, p in zip(pairs, differences, corrected, strict=True):
            seeds = len(found[ours]), len(found[theirs])
            made.append(Comparison(ours, theirs, stage, seeds, difference, p))
    return made


def _mean_seconds(ran: Sequence[Outcome], stage: str) -> float | None:
    known = [seconds for one in ran if (seconds := one.seconds[stage]) is not None]
    return float(np.mean(known)) if known else None


Cells = tuple[list[str], list[list[str]]]  # heads, lines
SHOWN = ("accuracy", "mean class", "within pairs", "seconds")  # columns per stage
WORDS = {"stage1": "stage 1", "stage2": "stage 2"}


def variant_cells(table: Sequence[VariantRow]) -> Cells:
    """One line per variant."""
    stages = [stage for stage in STAGES if any(stage in row.scores for row in table)]
    heads = ["variant", "groups"]
    heads += [f"{WORDS[stage]}: {what}" for stage in stages for what in SHOWN]
    heads += ["trained in stage 1", "paper, HMDB51 split 1"]
    lines = []
    for row in table:
        cells = [row.label, str(row.scores[stages[0]].groups)]
        for stage in stages:
            score, seconds = row.scores.get(stage), row.seconds[stage]
            cells += [""] * 3 if score is None else [_accuracy(row, stage), _mean_class(score), _within(row, stage)]
            cells.append("" if seconds is None else f"{seconds:.0f}")
        paper = "" if row.paper is None else f"{row.paper:.1f}"
        lines.append([*cells, f"{row.parameters:,}", paper])
    return heads, lines


def _accuracy(row: VariantRow, stage: str) -> str:
    score = row.scores[stage]
    low, high = score.interval
    spread = f" ± {100 * score.deviation:.1f}" if score.seeds > 1 else ""
    return f"{100 * score.mean:.1f}{spread} [{100 * low:.1f}, {100 * high:.1f}]"


def _mean_class(score: Score) -> str:
    return f"{100 * score.mean_class:.1f}"


def _within(row: VariantRow, stage: str) -> str:
    score = row.scores[stage]
    if score.pairs is None or score.pairs_interval is None:
        return ""
    low, high = score.pairs_interval
    return f"{100 * score.pairs:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def pair_cells(pairs: Sequence[Comparison]) -> Cells:
    """One line per compared pair."""
    heads = ["compared", "after", "seeds", "groups", "gain, points [95 % interval]", "clips better / worse"]
    heads += ["p (sign flips)", "p (Holm)"]
    lines = []
    for pair in pairs:
        found = pair.difference
        low, high = found.interval
        gain = f"{100 * found.gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        names = f"{pair.ours} over {pair.theirs}"
        seeds = " / ".join(map(str, dict.fromkeys(pair.seeds)))
        changed = f"{found.better} / {found.worse}"
        p = [f"{found.p:.2g}", f"{pair.corrected:.2g}"]
        lines.append([names, WORDS[pair.stage], seeds, str(found.groups), gain, changed, *p])
    return heads, lines

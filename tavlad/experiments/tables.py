"""The numbers of a report: a row for each variant, and for each pair that is compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tavlad.clips.demo import CLASSES
from tavlad.experiments import statistics
from tavlad.experiments.outcomes import Outcome, by_variant
from tavlad.experiments.plan import Experiment, Plan
from tavlad.experiments.statistics import Difference, Interval

STAGES = ("stage1", "stage2")


@dataclass(frozen=True)
class Score:
    """A variant after one stage: accuracy of all classes, its deviation over seeds, its interval over clips; within
    time-reversed pairs the same (None but on the demo)."""

    seeds: int
    mean: float
    deviation: float
    interval: Interval
    pairs: float | None
    pairs_interval: Interval | None


@dataclass(frozen=True)
class Row:
    """A variant: its scores by stage, its parameters and seconds, and what the paper prints (percent)."""

    variant: str
    label: str
    paper: float | None
    scores: dict[str, Score]
    parameters: int
    seconds: dict[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """One pair after one stage, over the seeds that both have."""

    ours: str
    theirs: str
    stage: str
    seeds: int
    difference: Difference


def rows(plan: Plan, experiment: Experiment, outcomes: Sequence[Outcome], names: Sequence[str]) -> list[Row]:
    """A row for each of the variants `names` that ran."""
    found = {stage: by_variant(outcomes, stage) for stage in STAGES}
    made = []
    for name in names:
        if ran := found["stage1"].get(name):
            known = plan.variants.get(name) if experiment.variants else None
            made.append(
                Row(
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
    """The score of one variant's runs, one a seed."""
    seeds = [one.predictions[stage] for one in ran]
    accuracies = statistics.accuracies(seeds)
    clips = np.array(list(statistics.clip_scores(seeds, statistics.all_classes).values()))
    pairs, pairs_interval = None, None
    if seeds[0][0].classes == CLASSES:
        within = np.array(list(statistics.clip_scores(seeds, statistics.within_pairs).values()))
        pairs, pairs_interval = float(within.mean()), statistics.interval(within)
    deviation = float(accuracies.std(ddof=1)) if len(seeds) > 1 else 0.0
    return Score(len(seeds), float(accuracies.mean()), deviation, statistics.interval(clips), pairs, pairs_interval)


def comparisons(experiment: Experiment, outcomes: Sequence[Outcome]) -> list[Comparison]:
    """Each pair of `experiment.compare` after each stage that both reached, over the seeds that both have."""
    made = []
    for stage in STAGES:
        found = by_variant(outcomes, stage)
        for ours, theirs in experiment.compare:
            ran = {
                name: {one.run.seed: one.predictions[stage] for one in found.get(name, [])} for name in (ours, theirs)
            }
            common = sorted(ran[ours].keys() & ran[theirs].keys())
            if common:
                sides = [[ran[name][seed] for seed in common] for name in (ours, theirs)]
                made.append(Comparison(ours, theirs, stage, len(common), statistics.compare(*sides)))
    return made


def _mean_seconds(ran: Sequence[Outcome], stage: str) -> float | None:
    known = [seconds for one in ran if (seconds := one.seconds[stage]) is not None]
    return float(np.mean(known)) if known else None

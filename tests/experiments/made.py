"""Fabricated predictions and outcomes whose numbers are known."""

from collections.abc import Mapping, Sequence

import numpy as np

from tavlad.demo.generator import CLASSES, PAIRS
from tavlad.experiments.outcomes import Outcome
from tavlad.experiments.plan import Run
from tavlad.learning.scores import Predictions


def predictions(verdicts: Sequence[bool], prefix: str, classes: tuple[str, ...] = CLASSES) -> Predictions:
    """Clip i has label i mod Y and is taken for it, or else for the other class of its pair."""
    return named([f"{prefix}{number}" for number in range(len(verdicts))], verdicts, classes)


def named(ids: Sequence[str], verdicts: Sequence[bool], classes: tuple[str, ...] = CLASSES) -> Predictions:
    """The same of clips with these ids."""
    labels = np.arange(len(verdicts)) % len(classes)
    predicted = np.where(verdicts, labels, labels ^ 1)
    return Predictions(tuple(ids), labels, np.eye(len(classes), dtype=np.float32)[predicted], classes)


def outcome(variant: str, seed: int, verdicts: Sequence[Sequence[bool]], stage1: bool = False) -> Outcome:
    """A run whose splits have these verdicts, after both stages (or the first); two clips make a group."""
    made = [predictions(split, f"split{number} clip") for number, split in enumerate(verdicts)]
    groups = {clip: f"{number} {i // 2}" for number, split in enumerate(made) for i, clip in enumerate(split.ids)}
    return ran(variant, seed, made, groups, stage1)


def ran(
    variant: str, seed: int, made: Sequence[Predictions], groups: Mapping[str, str], stage1: bool = False
) -> Outcome:
    """A run with these predictions after both stages (or the first)."""
    run = Run(f"{variant}-seed{seed}" + ("-stage1" if stage1 else ""), variant, seed, stage1, {})
    stages = ("stage1",) if stage1 else ("stage1", "stage2")
    seconds = dict.fromkeys(stages, 12.0)
    return Outcome(run, {stage: list(made) for stage in stages}, dict(groups), PAIRS, seconds, 1234, [])

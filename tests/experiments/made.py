"""Fabricated predictions and outcomes whose numbers are known."""

from collections.abc import Sequence

import numpy as np

from tavlad.clips.demo import CLASSES
from tavlad.experiments.outcomes import Outcome
from tavlad.experiments.plan import Run
from tavlad.learning.scores import Predictions


def predictions(verdicts: Sequence[bool], prefix: str, classes: tuple[str, ...] = CLASSES) -> Predictions:
    """Clip i has label i mod Y and is taken for it, or else for the other class of its pair."""
    labels = np.arange(len(verdicts)) % len(classes)
    predicted = np.where(verdicts, labels, labels ^ 1)
    ids = tuple(f"{prefix}{number}" for number in range(len(verdicts)))
    return Predictions(ids, labels, np.eye(len(classes), dtype=np.float32)[predicted], classes)


def outcome(variant: str, seed: int, verdicts: Sequence[Sequence[bool]], stage1: bool = False) -> Outcome:
    """A run whose splits have these verdicts, after both stages (or the first)."""
    run = Run(f"{variant}-seed{seed}" + ("-stage1" if stage1 else ""), variant, seed, stage1, {})
    made = [predictions(split, f"split{number} clip") for number, split in enumerate(verdicts)]
    stages = ("stage1",) if stage1 else ("stage1", "stage2")
    return Outcome(run, dict.fromkeys(stages, made), dict.fromkeys(stages, 12.0), 1234, [])

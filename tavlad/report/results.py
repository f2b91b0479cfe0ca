"""The results of each split, warnings about them, and how its trainings ended."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tavlad.console import quantity
from tavlad.data.balance import imbalance
from tavlad.data.table import PARTS
from tavlad.learning.curve import Curve, read_curve
from tavlad.learning.scores import Predictions

STAGES = ("stage1", "stage2")
LEARNED = 0.7  # below this training accuracy of stage 1, stage 2 tends to make the model worse
COLLAPSED = 0.1  # share of the maximum entropy, reached by 95 % of the attention in one of 7x7 locations
UNIFORM = 0.999  # share of the maximum entropy: above it weights differ by less than a tenth (standard deviation)
UNUSED = 0.95  # share of the clusters unused by a clip: of the paper's 64, it then uses three
BLURRED = 0.01  # share of the descriptors: below it hardly any belongs to one cluster
PEAKED = (
    "attention has collapsed: nearly all of it is in one location. With ImageNet weights the paper's own form "
    "(attention_pool: sum) tends to collapse; standard spreads it"
)
DOUBTFUL: tuple[tuple[str, Callable[[float], bool], str], ...] = (  # measure, condition for a warning, and its text
    ("entropy", lambda share: share < COLLAPSED, PEAKED),
    ("entropy", lambda share: share > UNIFORM, "attention is uniform, so the model works as with attention: none"),
    ("empty_clusters", lambda share: share > UNUSED, "a clip uses almost none of the clusters; try fewer"),
    ("confident_assignments", lambda share: share < BLURRED, "clusters share every descriptor; raise alpha"),
)


@dataclass(frozen=True)
class SplitResult:
    """One split: its name, predictions and learning curves by stage, and its metrics.json."""

    split: str
    predictions: dict[str, Predictions]
    curves: dict[str, Curve]
    metrics: dict[str, Any]


def read_results(evaluate: Path, stage1: Path, stage2: Path, splits: tuple[str, ...]) -> list[SplitResult]:
    """The results of `splits`, each below the three folders; ValueError if their classes differ."""
    results = []
    for split in splits:
        files = {"stage1": evaluate / split / "predictions_stage1.h5", "stage2": evaluate / split / "predictions.h5"}
        curves = {"stage1": stage1 / split, "stage2": stage2 / split}
        result = SplitResult(
            split,
            {stage: Predictions.load(file) for stage, file in files.items()},
            {stage: read_curve(folder) for stage, folder in curves.items()},
            json.loads((evaluate / split / "metrics.json").read_text(encoding="utf-8")),
        )
        results.append(result)
    if len({result.predictions[stage].classes for result in results for stage in STAGES}) != 1:
        raise ValueError("the splits and stages were evaluated on different classes")
    return results


def warnings_of(results: Sequence[SplitResult]) -> list[str]:
    """One line per warning about a split's results, and one about very unequal class sizes; empty if there are none."""
    lines = [f"{result.split}: {line}" for result in results for line in _of(result)]
    final = [result.predictions["stage2"] for result in results]
    clips = np.sum([predictions.confusion().sum(axis=1) for predictions in final], axis=0)  # (Y)
    uneven = imbalance(dict(zip(final[0].classes, clips.tolist(), strict=True)), "held-out clips")
    return [*lines, *([uneven] if uneven else [])]


def _of(result: SplitResult) -> Iterator[str]:
    first, final = result.predictions["stage1"], result.predictions["stage2"]
    if note := lost(result.metrics["excluded"]):
        yield note
    trained = result.curves["stage1"]["accuracy"][-1]
    if trained < LEARNED:
        yield f"stage 1 ends at a training accuracy of {trained:.2f}; give it more epochs or another stage1.lr"
    if (chance := _chance(first)) is not None:
        found = f"{first.top1:.3f} on {quantity(len(first.labels), 'clip')}, {chance:.3f} by always naming one class"
        yield f"stage 1 cannot be distinguished from chance ({found})"
    if _worse(final, first):
        advice = "lower stage2.lr or train stage 1 longer"
        yield f"stage 2 is worse than stage 1 ({final.top1:.3f} against {first.top1:.3f}); {advice}"
    if never := _never_predicted(final):
        names = ", ".join(never[:5]) + (", ..." if len(never) > 5 else "")
        yield f"never predicted: {names} ({len(never)} of {len(final.classes)} classes)"
    yield from _of_attention(result.metrics.get("attention", {}))


def _of_attention(measures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Warnings from the attention measures of each stage's model; measures that a variant lacks are skipped."""
    for measure, doubtful, words in DOUBTFUL:
        found = {stage: measures[stage][measure] for stage in STAGES if measure in measures.get(stage, {})}
        if wrong := [f"{stage} ({measure} {share:.3f})" for stage, share in found.items() if doubtful(share)]:
            yield f"{' and '.join(wrong)}: {words}"


def _chance(predictions: Predictions) -> float | None:
    """The accuracy of always predicting the most frequent class, if the model is within two standard errors of it."""
    N = len(predictions.labels)
    chance = float(np.bincount(predictions.labels).max()) / N
    return chance if predictions.top1 <= chance + 2 * (chance * (1 - chance) / N) ** 0.5 else None


def _worse(after: Predictions, before: Predictions) -> bool:
    """Whether more clips turned wrong than right, by two standard errors of a fair coin over the changed clips."""
    was_right = dict(zip(before.ids, before.right, strict=True))
    change = after.right.astype(int) - np.array([was_right[name] for name in after.ids], int)
    return bool(-change.sum() > 2 * np.abs(change).sum() ** 0.5)


def _never_predicted(predictions: Predictions) -> list[str]:
    """The classes with held-out clips that are never predicted."""
    counts = predictions.confusion()
    missed = (counts.sum(axis=1) > 0) & (counts.sum(axis=0) == 0)
    return [name for name, never in zip(predictions.classes, missed, strict=True) if never]


def lost(excluded: Mapping[str, int]) -> str:
    """The clips that a split lost, in words; empty where it lost none."""
    parts = [f"{excluded[part]} {part}" for part in PARTS if excluded[part]]
    return f"clips left out by dataset.exclude: {', '.join(parts)}" if parts else ""

"""What a person must not miss before believing, or publishing, the numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tavlad.learning.scores import Predictions
from tavlad.report.metrics import lost
from tavlad.report.results import STAGES, Result

LEARNED = 0.7  # stage 2 from a stage 1 that fits less of its own training clips tends to make the model worse
COLLAPSED = 0.1  # of the largest entropy: that of 95 % of the attention in one of 7x7 locations
UNIFORM = 0.999  # of the largest entropy: locations then differ in weight by less than a tenth (standard deviation)
UNUSED = 0.95  # of the clusters, by a clip: of the paper's 64, it then uses three
BLURRED = 0.01  # of the descriptors: hardly any of them then belongs to one cluster
LOOKS: tuple[tuple[str, Callable[[float], bool], str], ...] = (  # measure, when to doubt it, and what to say then
    ("entropy", lambda share: share < COLLAPSED, "attention has collapsed: nearly all of it lies in one location"),
    ("entropy", lambda share: share > UNIFORM, "attention is uniform, so the model does as with attention: none"),
    ("empty_clusters", lambda share: share > UNUSED, "a clip uses almost none of the clusters; try fewer"),
    ("confident_assignments", lambda share: share < BLURRED, "clusters share every descriptor; raise alpha"),
)


def cautions(results: Sequence[Result]) -> list[str]:
    """One line per doubt about a split's numbers; empty where there is none."""
    return [f"{result.split}: {line}" for result in results for line in _of(result)]


def _of(result: Result) -> Iterator[str]:
    first, final = result.predictions["stage1"], result.predictions["stage2"]
    if note := lost(result.metrics["excluded"]):
        yield note
    trained = result.curves["stage1"]["accuracy"][-1]
    if trained < LEARNED:
        yield f"stage 1 ends at a training accuracy of {trained:.2f}; give it more epochs or another stage1.lr"
    if (chance := _chance(first)) is not None:
        yield f"stage 1 is no better than chance ({first.top1:.3f} against {chance:.3f} for always naming one class)"
    if _worse(final, first):
        advice = "lower stage2.lr or train stage 1 longer"
        yield f"stage 2 is worse than stage 1 ({final.top1:.3f} against {first.top1:.3f}); {advice}"
    if never := _never_predicted(final):
        names = ", ".join(never[:5]) + (", ..." if len(never) > 5 else "")
        yield f"{len(never)} of {len(final.classes)} classes are never predicted: {names}"
    yield from _of_looks(result.metrics.get("looks", {}))


def _of_looks(looks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Doubts about the measures of where each stage's model looks; what a variant has not is not measured."""
    for measure, doubtful, words in LOOKS:
        found = {stage: looks[stage][measure] for stage in STAGES if measure in looks.get(stage, {})}
        if wrong := [f"{stage} ({measure} {share:.3f})" for stage, share in found.items() if doubtful(share)]:
            yield f"{' and '.join(wrong)}: {words}"


def _chance(predictions: Predictions) -> float | None:
    """The accuracy of always naming the most frequent class, if the model is within two standard errors of it."""
    N = len(predictions.labels)
    chance = float(np.bincount(predictions.labels).max()) / N
    return chance if predictions.top1 <= chance + 2 * (chance * (1 - chance) / N) ** 0.5 else None


def _worse(after: Predictions, before: Predictions) -> bool:
    """Whether more clips turned wrong than right, by two standard errors of a fair coin per clip that changed."""
    was_right = dict(zip(before.ids, before.right, strict=True))
    change = after.right.astype(int) - np.array([was_right[name] for name in after.ids], int)
    return bool(-change.sum() > 2 * np.abs(change).sum() ** 0.5)


def _never_predicted(predictions: Predictions) -> list[str]:
    """The classes that have held-out clips and that no clip is taken for."""
    counts = predictions.confusion()
    missed = (counts.sum(axis=1) > 0) & (counts.sum(axis=0) == 0)
    return [name for name, never in zip(predictions.classes, missed, strict=True) if never]

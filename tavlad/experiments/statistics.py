"""Is one variant better than another? Per-clip scores, resampled clips, and McNemar's test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from tavlad.learning.scores import Predictions

RESAMPLES = 10_000
LEVEL = 95  # percent of the intervals

Interval = tuple[float, float]
Splits = Sequence[Predictions]  # one seed: the predictions of each split
Judge = Callable[[Predictions], np.ndarray]  # which clips are right, bool (N)


@dataclass(frozen=True)
class Difference:
    """`gain` is the mean over clips of one variant's score less the other's, with its interval over resampled clips.

    `better` and `worse` count the clips that only the one or only the other gets right, by the scores averaged over
    seeds; `p` is McNemar's exact p-value for them.
    """

    gain: float
    interval: Interval
    better: int
    worse: int
    p: float


def accuracies(seeds: Sequence[Splits]) -> np.ndarray:
    """Top-1 of each seed, the mean over its splits, float64 (seeds)."""
    return np.array([np.mean([split.top1 for split in splits]) for splits in seeds])


def clip_scores(seeds: Sequence[Splits], right: Judge) -> dict[str, float]:
    """By clip: the share of seeds, and of the splits that hold it out, in which `right` says that it is right."""
    verdicts: dict[str, list[float]] = {}
    for splits in seeds:
        for split in splits:
            for clip, verdict in zip(split.ids, right(split), strict=True):
                verdicts.setdefault(clip, []).append(float(verdict))
    return {clip: float(np.mean(found)) for clip, found in verdicts.items()}


def interval(scores: np.ndarray) -> Interval:
    """The percentile interval of the mean of `scores` (N) over resampled clips; seeded, so always the same."""
    rng = np.random.default_rng(0)
    means = np.array([scores[rng.integers(len(scores), size=len(scores))].mean() for _ in range(RESAMPLES)])
    low, high = np.percentile(means, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def compare(ours: Sequence[Splits], theirs: Sequence[Splits]) -> Difference:
    """What `ours` gains over `theirs`, over the same clips; ValueError where the clips differ."""
    first, second = clip_scores(ours, all_classes), clip_scores(theirs, all_classes)
    if first.keys() != second.keys():
        raise ValueError(f"the two were evaluated on other clips ({len(first.keys() ^ second.keys())} differ)")
    gains = np.array([first[clip] - second[clip] for clip in first])
    verdicts = [fused_verdicts(seeds) for seeds in (ours, theirs)]
    better = sum(verdicts[0][key] and not verdicts[1][key] for key in verdicts[0])
    worse = sum(verdicts[1][key] and not verdicts[0][key] for key in verdicts[0])
    return Difference(float(gains.mean()), interval(gains), better, worse, mcnemar(better, worse))


def fused_verdicts(seeds: Sequence[Splits]) -> dict[tuple[int, str], bool]:
    """By split and clip: whether the logits, averaged over seeds, are right."""
    found: dict[tuple[int, str], bool] = {}
    for number, members in enumerate(zip(*seeds, strict=True)):
        fused = Predictions.fuse(members, [1 / len(members)] * len(members))
        found |= {(number, clip): bool(right) for clip, right in zip(fused.ids, fused.right, strict=True)}
    return found


def mcnemar(better: int, worse: int) -> float:
    """The exact two-sided p-value that of `better` + `worse` changed clips so many changed to one side by chance."""
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def all_classes(predictions: Predictions) -> np.ndarray:
    """Which clips are right when all classes compete, bool (N)."""
    return predictions.right


def within_pairs(predictions: Predictions) -> np.ndarray:
    """Which clips are right when only the two classes of their own pair compete, classes 0 and 1, 2 and 3, ...: (N).

    In the demo they are each other's reversal in time: this is how well order is told, and its chance is 0.5.
    """
    rows = np.arange(len(predictions.ids))
    pairs = predictions.logits.reshape(len(rows), -1, 2)[rows, predictions.labels // 2]
    hits: np.ndarray = pairs.argmax(axis=1) == predictions.labels % 2
    return hits

"""Sensitivity to temporal order: scores where only a class and its reversal compete."""

from collections.abc import Sequence

import numpy as np

from tavlad.learning.scores import Predictions


def within_pairs(predictions: Predictions, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Which clips are right when only the two classes of their own pair compete, bool (N); `pairs` covers all classes.

    A model that ignores order gives a clip and its reversal the same logits, and so gets exactly one of them right.
    """
    number = {name: place for place, name in enumerate(predictions.classes)}
    rivals = np.empty(len(number), np.int64)
    for first, second in pairs:
        rivals[[number[first], number[second]]] = number[second], number[first]
    labels, rows = predictions.labels, np.arange(len(predictions.ids))
    both = np.sort(np.stack([labels, rivals[labels]], axis=1), axis=1)  # among equal logits the first class wins
    winners = both[rows, predictions.logits[rows[:, None], both].argmax(axis=1)]
    hits: np.ndarray = winners == labels
    return hits

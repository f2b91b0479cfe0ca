"""The baseline for VLAD and the GRU: logistic regression on maps averaged over space and time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from tavlad.data.table import Examples
from tavlad.learning.pooled import read_pooled
from tavlad.learning.scores import Predictions
from tavlad.store.inputs import Input
from tavlad.store.making import Place

PENALTIES = (1e4, 1e3, 1e2, 10.0, 1.0)  # L2, relative to the summed loss of all clips; strongest first
FOLDS = 5
STEPS = 1000  # at most; with standardised features, tens are enough


@dataclass(frozen=True)
class Average:
    """The clips to fit on (training and validation, each with its group) and to score; `pooled` holds the means."""

    learned: Examples
    groups: tuple[str, ...]
    held_out: Examples
    classes: tuple[str, ...]
    pooled: Input


def make_average(place: Place, wanted: Average, speed: None) -> None:
    """Write the predictions of the held-out clips to the file `place`."""
    means = read_pooled(wanted.pooled.path)
    learned, held_out = (np.stack([means[clip] for clip in part.ids]) for part in (wanted.learned, wanted.held_out))
    labels = np.asarray(wanted.learned.labels)
    with threadpool_limits(1):  # parallel sums round differently on every machine
        penalty = choose_penalty(learned, labels, wanted.groups)
        logits = linear_logits(learned, labels, penalty, held_out, len(wanted.classes))
    truth = np.asarray(wanted.held_out.labels, np.int64)
    Predictions(wanted.held_out.ids, truth, logits, wanted.classes).save(place.path)


def choose_penalty(features: np.ndarray, labels: np.ndarray, groups: Sequence[str]) -> float:
    """The penalty in `PENALTIES` with the most correct clips in cross-validation; the strongest among equals.

    Features (N, C), labels (N); folds keep groups whole. A single group allows no folds: the strongest is returned.
    """
    classes = int(labels.max()) + 1
    right = np.zeros(len(PENALTIES))
    for learned, held_out in group_folds(groups):
        for number, penalty in enumerate(PENALTIES):
            logits = linear_logits(features[learned], labels[learned], penalty, features[held_out], classes)
            right[number] += (logits.argmax(axis=1) == labels[held_out]).sum()
    return PENALTIES[int(right.argmax())]


def group_folds(groups: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The training and held-out rows of each of at most `FOLDS` folds of whole groups; empty for a single group."""
    from sklearn.model_selection import GroupKFold  # slow to import, and usually the predictions are in the store

    count = min(FOLDS, len(set(groups)))
    return list(GroupKFold(count).split(groups, groups=groups)) if count > 1 else []


def linear_logits(
    features: np.ndarray, labels: np.ndarray, penalty: float, asked: np.ndarray, classes: int
) -> np.ndarray:
    """Logits float32 (M, Y) of rows `asked` (M, C) by multinomial regression on standardised features (N, C).

    A class without a label in (N) gets a lower logit than all others.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.unique(labels)
    found = np.zeros((len(asked), 1))
    if len(known) > 1:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=STEPS))
        found = model.fit(features.astype(np.float64), labels).decision_function(asked.astype(np.float64))
    if found.ndim == 1:  # two classes: the log-odds of the second
        found = np.stack([-found / 2, found / 2], axis=1)
    logits = np.full((len(asked), classes), found.min() - 1, np.float32)
    logits[:, known] = found
    return logits

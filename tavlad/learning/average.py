"""What VLAD and the GRU are compared with: logistic regression on maps averaged over place and time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from tavlad.data.table import Examples
from tavlad.learning.pooled import read_pooled
from tavlad.learning.scores import Predictions
from tavlad.store.inputs import Input
from tavlad.store.making import Place

PENALTIES = (1e4, 1e3, 1e2, 10.0, 1.0)  # L2, against the sum of the losses of all clips; the strongest first
FOLDS = 5
STEPS = 1000  # at most; of standardised features tens are enough


@dataclass(frozen=True)
class Average:
    """What is learned from (training and validation clips, each with its group) and scored; `pooled` has the means."""

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
    with threadpool_limits(1):  # sums in parallel round otherwise on every machine
        penalty = choose_penalty(learned, labels, wanted.groups)
        logits = linear_logits(learned, labels, penalty, held_out, len(wanted.classes))
    truth = np.asarray(wanted.held_out.labels, np.int64)
    Predictions(wanted.held_out.ids, truth, logits, wanted.classes).save(place.path)


def choose_penalty(features: np.ndarray, labels: np.ndarray, groups: Sequence[str]) -> float:
    """That of `PENALTIES` that gets most of the clips right when their fold is held out; of equals the strongest.

    Features (N, C), labels (N); a group is never on two sides. Of a single group there are no folds: the strongest.
    """
    classes = int(labels.max()) + 1
    right = np.zeros(len(PENALTIES))
    for learned, held_out in group_folds(groups):
        for number, penalty in enumerate(PENALTIES):
            logits = linear_logits(features[learned], labels[learned], penalty, features[held_out], classes)
            right[number] += (logits.argmax(axis=1) == labels[held_out]).sum()
    return PENALTIES[int(right.argmax())]


def group_folds(groups: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows learned from and the rows held out of at most `FOLDS` folds of whole groups; none of a single group."""
    from sklearn.model_selection import GroupKFold  # slow to load, and mostly the store has the predictions

    count = min(FOLDS, len(set(groups)))
    return list(GroupKFold(count).split(groups, groups=groups)) if count > 1 else []


def linear_logits(
    features: np.ndarray, labels: np.ndarray, penalty: float, asked: np.ndarray, classes: int
) -> np.ndarray:
    """Logits float32 (M, Y) of rows `asked` (M, C) by a multinomial regression on standardised features (N, C).

    A class without a label in (N) gets less than all others get.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.unique(labels)
    found = np.zeros((len(asked), 1))
    if len(known) > 1:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=STEPS))
        found = model.fit(features.astype(np.float64), labels).decision_function(asked.astype(np.float64))
    if found.ndim == 1:  # of two classes: by how much the second is more likely
        found = np.stack([-found / 2, found / 2], axis=1)
    logits = np.full((len(asked), classes), found.min() - 1, np.float32)
    logits[:, known] = found
    return logits

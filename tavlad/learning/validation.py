"""The accuracy of a model in training on the validation part."""

from collections.abc import Callable

import numpy as np
from torch import nn

from tavlad.data.table import Examples
from tavlad.learning.loading import read_ahead
from tavlad.learning.processes import share_of, summed


def validator(
    model: nn.Module,
    examples: Examples,
    read: Callable[[str], np.ndarray],
    scores: Callable[[np.ndarray], np.ndarray],
    workers: int,
) -> Callable[[], float] | None:
    """A function that computes the accuracy on a validation part, by the logits (Y) that `scores` gives for the result
    of `read` for each clip; None if the part is empty.

    `workers` threads read ahead; each process scores its share of the clips.
    """
    if not examples.ids:
        return None

    def accuracy() -> float:
        model.eval()
        share = share_of(len(examples.ids))
        inputs, labels = read_ahead(read, examples.ids[share], workers), examples.labels[share]
        hits = [int(scores(values).argmax()) == label for values, label in zip(inputs, labels, strict=True)]
        return summed([sum(hits)])[0] / len(examples.ids)

    return accuracy

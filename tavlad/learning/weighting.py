"""Class weights in the training loss."""

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_weights(name: str, labels: Sequence[int], classes: int) -> Tensor | None:
    """The weight of a training clip of each of Y `classes`, float64 (Y), by `labels` (N): "balanced" is N / (Y n_y).

    None for "none": all weigh 1, which is also their mean when balanced. So either way a batch's loss is its sum
    divided by its number of clips, and the sums of micro-batches add up to it.
    """
    if name == "none":
        return None
    counts = torch.bincount(torch.tensor(labels), minlength=classes)
    return len(labels) / (classes * counts.clamp(min=1).double())

"""What a clip of each class counts in the loss of a training."""

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_weights(name: str, labels: Sequence[int], classes: int) -> Tensor | None:
    """What a training clip of each of Y `classes` counts, float64 (Y), by `labels` (N): "balanced" is N / (Y n_y).

    None for "none": all count 1, as they do on average when balanced. So a batch's loss is its sum over its count
    either way, and the sums of micro-batches add up to it.
    """
    if name == "none":
        return None
    counts = torch.bincount(torch.tensor(labels), minlength=classes)
    return len(labels) / (classes * counts.clamp(min=1).double())

"""What must stay exact: assignments, softmax and norms run in at least float32, whatever the autocast."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-6  # with 1e-12, near-empty clusters become unit vectors and the gradient at zero is 1e12


def unit(x: Tensor, dim: int) -> Tensor:
    """`x` scaled to unit length along `dim`, zero staying zero: the one definition of k-means, VLAD and the head."""
    return F.normalize(x, dim=dim, eps=EPS)


def exact(x: Tensor) -> Tensor:
    """`x` in float32, or in float64 if it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def no_autocast(x: Tensor) -> AbstractContextManager[None]:
    """A context in which autocast does not lower the precision of what is computed from `x`."""
    return torch.autocast(x.device.type, enabled=False)

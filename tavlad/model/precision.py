"""What must stay exact: assignments, softmax and norms run in at least float32, whatever the autocast.

And what is nothing must be 0: float32's subnormal numbers (below 1.2e-38) take many processors a hundred times longer.
"""

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
EPS = 1e-6  # with 1e-12, near-empty clusters become unit vectors and the gradient at zero is 1e12
REACH = 69.0  # nats below a maximum: e^-69 is 1e-30, which products may still make 1e-8 times smaller


def unit(x: Tensor, dim: int) -> Tensor:
    """`x` scaled to unit length along `dim`, zero staying zero: the one definition of k-means, VLAD and the head."""
    return F.normalize(x, dim=dim, eps=EPS)


def exact(x: Tensor) -> Tensor:
    """`x` in float32, or in float64 if it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def no_autocast(x: Tensor) -> AbstractContextManager[None]:
    """A context in which autocast does not lower the precision of what is computed from `x`."""
    return torch.autocast(x.device.type, enabled=False)


def softmax_within(logits: Tensor, dim: int, reach: Tensor | float) -> Tensor:
    """Softmax along `dim` of the logits at most `reach` (0 or more) below the largest; the others get 0, no gradient.

    Of K logits, all outputs together move by at most 2 (K - 1) e^-reach.
    """
    far = logits < logits.amax(dim=dim, keepdim=True) - reach
    # before the exponential: behind it, the gradients of what is cut would be subnormal
    return logits.masked_fill(far, -math.inf).softmax(dim=dim)


def flush_to_zero(x: Tensor) -> Tensor:
    """The sum or difference `x`, in place, with 0 for all within e^-REACH of it: a rounding, which gradients pass."""
    torch.hardshrink(x.detach(), math.exp(-REACH), out=x.detach())
    return x


def lowered(weight: Tensor) -> torch.dtype:
    """The type in which convolutions with `weight` compute: that of autocast where it is on, else its own."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype

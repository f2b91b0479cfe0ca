"""Numerical precision: assignments, softmax and norms run in at least float32 under any autocast.

Negligible values are set to 0, because subnormal float32 numbers (below 1.2e-38) are a hundred times slower on many
processors.
"""

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
EPS = 1e-6  # with 1e-12, near-empty clusters become unit vectors and the gradient at zero is 1e12
REACH = 69.0  # nats below a maximum: e^-69 is 1e-30, which leaves room for later factors down to 1e-8


def unit(x: Tensor, dim: int) -> Tensor:
    """`x` scaled to unit length along `dim`; zero stays zero. Shared by k-means, VLAD and the head."""
    return F.normalize(x, dim=dim, eps=EPS)


def exact(x: Tensor) -> Tensor:
    """`x` in float32, or unchanged if it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def no_autocast(x: Tensor) -> AbstractContextManager[None]:
    """A context that disables autocast on the device of `x`."""
    return torch.autocast(x.device.type, enabled=False)


def softmax_within(logits: Tensor, dim: int, reach: Tensor | float) -> Tensor:
    """Softmax along `dim` over the logits within `reach` (>= 0) of the largest; the others get 0 and no gradient.

    With K logits, the outputs differ from the plain softmax by at most 2 (K - 1) e^-reach in total.
    """
    far = logits < logits.amax(dim=dim, keepdim=True) - reach
    # masked before the exponential: masked after it, these would have subnormal gradients
    return logits.masked_fill(far, -math.inf).softmax(dim=dim)


def flush_to_zero(x: Tensor) -> Tensor:
    """Set the elements of `x` within e^-REACH of 0 to 0, in place; gradients pass through, as with any rounding."""
    torch.hardshrink(x.detach(), math.exp(-REACH), out=x.detach())
    return x


def lowered(weight: Tensor) -> torch.dtype:
    """The dtype in which convolutions with `weight` compute: autocast's where it is enabled, else its own."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype

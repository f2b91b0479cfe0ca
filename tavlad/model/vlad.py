"""Attention-weighted residuals to cluster centres (paper, equations 1 to 3; soft assignment as in NetVLAD)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.model.precision import REACH, exact, flush_to_zero, no_autocast, softmax_within, unit


class VLAD(nn.Module):
    """v_k = sum_i A_i a_k(x_i) (x_i - c_k), with x_i of unit length.

    `soft`: W, b and c are initialised from the same centres, then trained as separate tensors. `tied`: W and b are
    always 2 alpha c and -alpha |c|^2. `hard`: a_k is 1 for the nearest centre (the original VLAD).
    """

    def __init__(self, centers: Tensor, alpha: float, assignment: str = "soft"):
        super().__init__()
        self.alpha, self.assignment = alpha, assignment
        self.centers = nn.Parameter(centers.detach().clone())
        if assignment == "soft":
            weight, bias = assignment_of(centers.detach(), alpha)
            self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        elif assignment not in ("tied", "hard"):
            raise ValueError(f"assignment must be soft, tied or hard, not {assignment!r}")

    def forward(self, maps: Tensor, attention: Tensor | None = None) -> Tensor:
        """Maps (B, C, H, W) and attention (B, H, W), where None means 1 everywhere -> residuals (B, K, C)."""
        with no_autocast(maps):
            x = unit(exact(maps).flatten(2), dim=1)  # (B, C, N)
            # attention weighs the assignment, not the features: scaling those to unit length would cancel it
            a = self.assign(x, None if attention is None else attention.to(x.dtype).flatten(1).unsqueeze(1))
            centers = self.centers.to(x.dtype)
            # closed form: explicit residuals would take a (B, K, C, N) tensor
            return flush_to_zero(a @ x.transpose(1, 2) - a.sum(dim=2, keepdim=True) * centers)

    def assign(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Unit-length descriptors (B, C, N) -> assignments (B, K, N), which sum over K to 1, or to weights (B, 1, N).

        Soft assignments that the weights bring below e^-REACH times the largest at their location are exactly 0.
        """
        if self.assignment == "soft":
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        else:
            weight, bias = assignment_of(self.centers.to(x.dtype), self.alpha)
        with no_autocast(x):
            logits = weight @ x + bias.unsqueeze(1)
        if self.assignment == "hard":
            a = F.one_hot(logits.argmax(dim=1), len(bias)).transpose(1, 2).to(x.dtype)
        elif weights is None:
            a = softmax_within(logits, 1, REACH)
        else:
            # weighted values must not be subnormal either; the clamp keeps the largest, without which softmax is NaN
            a = softmax_within(logits, 1, (REACH + weights.detach().log()).clamp(min=0))
        return a if weights is None else a * weights


def assignment_of(centers: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """W (K, C) = 2 alpha c and b (K) = -alpha |c|^2: softmax(W x + b) is then softmax(-alpha |x - c|^2)."""
    return 2 * alpha * centers, -alpha * torch.sum(centers**2, dim=1)

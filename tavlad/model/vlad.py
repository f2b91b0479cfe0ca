"""Attention-weighted residuals to learned cluster centres (paper, equations 1 to 3; NetVLAD's soft assignment)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.model.precision import exact, no_autocast, unit


class VLAD(nn.Module):
    """v_k = sum_i A_i a_k(x_i) (x_i - c_k), with x_i of unit length.

    `soft`: W, b and c start from the same centres and then train as three separate tensors. `tied`: W and b are always
    2 alpha c and -alpha |c|^2. `hard`: a_k is 1 for the nearest centre (the original VLAD).
    """

    def __init__(self, centers: Tensor, alpha: float, assignment: str = "soft"):
        super().__init__()
        self.alpha, self.assignment = alpha, assignment
        self.centers = nn.Parameter(centers.detach().clone())
        if assignment == "soft":
            weight, bias = assignment_of(centers.detach(), alpha)
            self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        elif assignment not in ("tied", "hard"):
            raise ValueError(f"assignment is soft, tied or hard, not {assignment!r}")

    def forward(self, maps: Tensor, attention: Tensor | None = None) -> Tensor:
        """Maps (B, C, H, W) and attention (B, H, W), or None for 1 everywhere -> residuals (B, K, C)."""
        with no_autocast(maps):
            x = unit(exact(maps).flatten(2), dim=1)  # (B, C, N)
            a = self.assign(x)
            if attention is not None:
                # on the assignment, not on f: there the scaling to unit length would cancel it
                a = a * attention.to(x.dtype).flatten(1).unsqueeze(1)
            centers = self.centers.to(x.dtype)
            # the closed form: the residuals themselves would be a (B, K, C, N) tensor
            return a @ x.transpose(1, 2) - a.sum(dim=2, keepdim=True) * centers

    def assign(self, x: Tensor) -> Tensor:
        """Unit-length descriptors (B, C, N) -> assignments (B, K, N), which sum to 1 over K."""
        if self.assignment == "soft":
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        else:
            weight, bias = assignment_of(self.centers.to(x.dtype), self.alpha)
        with no_autocast(x):
            logits = weight @ x + bias.unsqueeze(1)
        if self.assignment == "hard":
            return F.one_hot(logits.argmax(dim=1), len(bias)).transpose(1, 2).to(x.dtype)
        return logits.softmax(dim=1)


def assignment_of(centers: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """W (K, C) = 2 alpha c and b (K) = -alpha |c|^2: softmax(W x + b) is then softmax(-alpha |x - c|^2)."""
    return 2 * alpha * centers, -alpha * torch.sum(centers**2, dim=1)

"""Top-down spatial attention from class activation maps (paper, section 3.2)."""

from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.model.precision import REACH, exact, no_autocast, softmax_within
from tavlad.model.settings import AttentionPool, require_choice


class ClassActivationAttention(nn.Module):
    """Softmax over locations of the class activation map of the frame's top-scoring ImageNet class.

    `pool` selects how the map's channels are pooled: "sum" as in class activation mapping; "mean" as the paper's text
    has it (C times smaller inside a softmax, hence nearly uniform); "standard" like "sum", but with each map scaled to
    zero mean and unit deviation over its locations, so that it is equally peaked on any backbone (not in the paper).
    """

    def __init__(self, fc: nn.Linear, pool: str = "sum"):
        super().__init__()
        require_choice("attention_pool", pool, get_args(AttentionPool))
        self.fc, self.pool = fc, pool

    def forward(self, maps: Tensor) -> Tensor:
        """Post-ReLU maps (B, C, H, W) -> attention (B, H, W), which sums to 1 over the H*W locations."""
        activation = self.activation(maps)
        return softmax_within(activation.flatten(1), 1, REACH).view_as(activation)

    def activation(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) -> class activation map M (B, H, W) of the top class p: sum_c w_{p,c} f_c, without bias."""
        with no_autocast(maps):
            maps = exact(maps)
            weight = self.fc.weight.to(maps.dtype)
            m = torch.einsum("bchw,bc->bhw", maps, weight[self.winner(maps)])
            if self.pool == "mean":
                return m / maps.shape[1]
            return F.layer_norm(m, m.shape[1:]) if self.pool == "standard" else m

    def winner(self, maps: Tensor) -> Tensor:
        """The ImageNet class p (B) that scores highest on the average-pooled maps (B, C, H, W)."""
        with no_autocast(maps):
            pooled = exact(maps).mean(dim=(2, 3))
            return F.linear(pooled, self.fc.weight.to(pooled.dtype), self.fc.bias.to(pooled.dtype)).argmax(dim=1)

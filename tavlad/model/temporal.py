"""Temporal aggregation of the residuals: the shared GRU and its alternatives (paper, sections 3.3 and 4.2)."""

import math
from abc import ABC, abstractmethod
from typing import get_args

import torch
from torch import Tensor, nn

from tavlad.model.precision import exact, no_autocast
from tavlad.model.settings import Temporal


class Aggregation(nn.Module, ABC):
    """Base class: residuals in, descriptors of shape `out_shape` out, computed in at least float32."""

    out_shape: tuple[int, int]

    def forward(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) of any float dtype -> (B, *out_shape) in float32, or float64 for float64 input."""
        # on CUDA, autocast would run a GRU in float16, and training in bfloat16 does not scale the loss
        with no_autocast(v):
            return self.aggregate(exact(v))

    @abstractmethod
    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) in float32 or float64 -> (B, *out_shape) of the same dtype; autocast is disabled."""


class SharedGRU(Aggregation):
    """One GRU shared by all clusters, each with its own memory: K is folded into the batch. `bigru` adds a GRU on the
    reversed sequence and concatenates the two memories of each cluster."""

    def __init__(self, channels: int, hidden: int, clusters: int, bidirectional: bool):
        super().__init__()
        self.gru = nn.GRU(channels, hidden, batch_first=True, bidirectional=bidirectional)
        self.out_shape = (clusters, hidden * (1 + bidirectional))

    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) -> last memories (B, K, D), or (B, K, 2D) if bidirectional."""
        B, T, K, C = v.shape
        memory: Tensor
        _, memory = self.gru(v.transpose(1, 2).reshape(B * K, T, C))  # (1 or 2, B*K, D)
        return memory.transpose(0, 1).reshape(B, *self.out_shape)


class Sum(Aggregation):
    """The sum over time, as in ActionVLAD; ignores the order of frames."""

    def __init__(self, channels: int, clusters: int):
        super().__init__()
        self.out_shape = (clusters, channels)

    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) -> (B, K, C)."""
        return v.sum(dim=1)


class FlatGRU(Aggregation):
    """One GRU on the flattened K*C vector, which loses the cluster structure (47.6 % in the paper)."""

    def __init__(self, channels: int, hidden: int, clusters: int):
        super().__init__()
        self.gru = nn.GRU(clusters * channels, hidden, batch_first=True)
        self.out_shape = (1, hidden)

    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) -> last memory (B, 1, D)."""
        memory: Tensor
        _, memory = self.gru(v.flatten(2))
        return memory.transpose(0, 1)


class SeparateGRUs(Aggregation):
    """One GRU per cluster, as products batched over K (47.8 % in the paper, 64 times the parameters)."""

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter
    bias_hh: nn.Parameter

    def __init__(self, channels: int, hidden: int, clusters: int):
        super().__init__()
        bound = 1 / math.sqrt(hidden)  # torch.nn.GRU's own initialisation
        for name, shape in {
            "weight_ih": (clusters, channels, 3 * hidden),
            "weight_hh": (clusters, hidden, 3 * hidden),
            "bias_ih": (clusters, 1, 3 * hidden),
            "bias_hh": (clusters, 1, 3 * hidden),
        }.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))
        self.out_shape = (clusters, hidden)

    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) -> last memories (B, K, D)."""
        inputs = v.permute(2, 1, 0, 3)  # (K, T, B, C)
        K, T, B, _ = inputs.shape
        projected = torch.baddbmm(self.bias_ih, inputs.reshape(K, T * B, -1), self.weight_ih).view(K, T, B, -1)
        memory = v.new_zeros(K, B, self.out_shape[1])
        for t in range(T):
            reset, update, new = projected[:, t].chunk(3, dim=2)
            h_reset, h_update, h_new = torch.baddbmm(self.bias_hh, memory, self.weight_hh).chunk(3, dim=2)
            update = torch.sigmoid(update + h_update)
            candidate = torch.tanh(new + torch.sigmoid(reset + h_reset) * h_new)
            memory = update * memory + (1 - update) * candidate
        return memory.transpose(0, 1)


def make(name: str, channels: int, hidden: int, clusters: int) -> Aggregation:
    """The aggregation called `name`: (B, T, K, C) -> (B, *out_shape), not normalised."""
    if name in ("gru", "bigru"):
        return SharedGRU(channels, hidden, clusters, bidirectional=name == "bigru")
    if name == "sum":
        return Sum(channels, clusters)
    if name == "gru_flat":
        return FlatGRU(channels, hidden, clusters)
    if name == "gru_separate":
        return SeparateGRUs(channels, hidden, clusters)
    raise ValueError(f"temporal must be one of {', '.join(get_args(Temporal))}, not {name!r}")

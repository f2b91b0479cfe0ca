"""The RegNet family: a stem and four blocks of bottlenecks, with a ReLU after each shortcut is added."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.model.network import Family, from_torchvision


def _build(network: str) -> nn.Module:
    with torch.device("cpu"):  # torchvision computes the widths with tensors, which fails on "meta"
        return from_torchvision(network)


def _trunk(network: Any) -> nn.Sequential:
    return nn.Sequential(OrderedDict(stem=network.stem, trunk_output=network.trunk_output[:-1]))


def _last_stage(network: Any) -> nn.Sequential:
    block4: nn.Sequential = network.trunk_output[-1]
    return block4


def _before_activation(block4: nn.Sequential, x: Tensor) -> Tensor:
    last: Any
    *others, last = block4
    for bottleneck in others:
        x = bottleneck(x)
    shortcut: Tensor = x if last.proj is None else last.proj(x)
    y: Tensor = shortcut + last.f(x)
    return y


REGNET = Family(
    channels={"regnet_y_400mf": 440},
    build=_build,
    trunk=_trunk,
    last_stage=_last_stage,
    before_activation=_before_activation,
    activation=F.relu,
    classifier="fc",
    shortcut="proj",
)

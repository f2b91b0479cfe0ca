"""The ResNet family: four layers of blocks, with a ReLU after each shortcut is added."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from tavlad.model.network import Family, from_torchvision


def _trunk(network: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict((name, child) for name, child in network.named_children() if name != "layer4"))


def _last_stage(network: Any) -> nn.Sequential:
    layer4: nn.Sequential = network.layer4
    return layer4


def _before_activation(layer4: nn.Sequential, x: Tensor) -> Tensor:
    for block in layer4[:-1]:
        x = F.relu(_before_relu(block, x))
    return _before_relu(layer4[-1], x)


def _before_relu(block: Any, x: Tensor) -> Tensor:
    """A BasicBlock or Bottleneck without its last ReLU."""
    y: Tensor = block.relu(block.bn1(_convolved(block.conv1, x)))
    y = block.bn2(_convolved(block.conv2, y))
    if hasattr(block, "conv3"):
        y = block.bn3(_convolved(block.conv3, block.relu(y)))
    shortcut: Tensor = x if block.downsample is None else block.downsample(x)
    return y + shortcut


RESNET = Family(
    channels={"resnet18": 512, "resnet34": 512, "resnet50": 2048, "resnet101": 2048},
    build=from_torchvision,
    trunk=_trunk,
    last_stage=_last_stage,
    before_activation=_before_activation,
    activation=F.relu,
    classifier="fc",
    shortcut="downsample",
)


def _convolved(conv: nn.Conv2d, x: Tensor) -> Tensor:
    if x.device.type == "cpu" and x.dtype == torch.bfloat16 and torch.is_grad_enabled() and conv.weight.requires_grad:
        return Convolution.apply(x, conv.weight.to(x.dtype), conv.stride, conv.padding)  # type: ignore[no-any-return]
    y: Tensor = conv(x)
    return y


class Convolution(torch.autograd.Function):
    """A convolution that computes the weight gradient as one matrix product, 2 to 4 times faster than oneDNN in
    bfloat16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding
        return F.conv2d(x, weight, None, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        (x, weight), (stride, padding) = ctx.saved_tensors, ctx.geometry
        back = conv2d_input(x.shape, weight, gradient, stride, padding) if ctx.needs_input_grad[0] else None
        outputs, inputs, height, width = weight.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0]))
        # the receptive field of each output location: (B, h, w, inputs, height, width)
        seen = padded.unfold(1, height, stride[0]).unfold(2, width, stride[1])
        columns = seen.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * inputs)
        product = gradient.permute(1, 0, 2, 3).reshape(outputs, -1) @ columns
        return back, product.view(outputs, height, width, inputs).permute(0, 3, 1, 2), None, None

"""ResNet-34 cut where the method cuts it: a trunk that is never trained, layer 4, and the ImageNet classifier apart."""

import copy
from collections import OrderedDict
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input
from torch.nn.utils.fusion import fuse_conv_bn_eval

CHANNELS = 512
IMAGENET_CLASSES = 1000
PAIRS = (("conv1", "bn1"), ("conv2", "bn2"), ("0", "1"))  # of a block, and of its downsampling

Network = TypeVar("Network", bound=nn.Module)


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm whose statistics stay as they are, also in training mode (inherited from TSN); the rest may train."""

    def __init__(self, channels: int):
        super().__init__(channels)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenBatchNorm2d":
        """Evaluation mode, whatever `mode`: wherever the layer is and whoever copied it."""
        return super().train(False)


class Backbone(nn.Module):
    """torchvision's ResNet-34 without its classifier, under torchvision's parameter names.

    `pre_relu` leaves out the very last ReLU (ActionVLAD found post-ReLU features poor).
    """

    layer4: nn.Sequential

    def __init__(self, pre_relu: bool):
        super().__init__()
        import torchvision  # it takes as long as torch to load, and stage 1 needs no network

        whole = torchvision.models.resnet34(weights=None, norm_layer=FrozenBatchNorm2d)
        for name, child in whole.named_children():
            if name not in ("avgpool", "fc"):
                self.add_module(name, child)
        self.pre_relu = pre_relu

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, 3, H, W) to layer-4 maps (B, 512, H/32, W/32)."""
        return last_maps(self.layer4, self.trunk()(frames), self.pre_relu)

    def trunk(self) -> nn.Sequential:
        """All before layer 4: frames (B, 3, H, W) to layer-3 maps (B, 256, H/16, W/16)."""
        return nn.Sequential(OrderedDict((name, child) for name, child in self.named_children() if name != "layer4"))


def last_maps(layer4: nn.Sequential, x: Tensor, pre_relu: bool) -> Tensor:
    """Layer 4 on layer-3 maps (B, 256, h, w) -> (B, 512, h/2, w/2), with or without its last ReLU."""
    for block in layer4[:-1]:
        x = F.relu(_before_relu(block, x))
    y = _before_relu(layer4[-1], x)
    return y if pre_relu else F.relu(y)


def _before_relu(block: Any, x: Tensor) -> Tensor:
    """A BasicBlock without its last ReLU."""
    y: Tensor = block.relu(block.bn1(_convolved(block.conv1, x)))
    y = block.bn2(_convolved(block.conv2, y))
    shortcut: Tensor = x if block.downsample is None else block.downsample(x)
    return y + shortcut


def _convolved(conv: nn.Conv2d, x: Tensor) -> Tensor:
    if x.device.type == "cpu" and x.dtype == torch.bfloat16 and torch.is_grad_enabled() and conv.weight.requires_grad:
        return Convolution.apply(x, conv.weight.to(x.dtype), conv.stride, conv.padding)  # type: ignore[no-any-return]
    y: Tensor = conv(x)
    return y


class Convolution(torch.autograd.Function):
    """A convolution whose weight's gradient is one matrix product: in bfloat16 2 to 4 times as fast as oneDNN's own."""

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
        # what each location of the output saw: (B, h, w, inputs, height, width)
        seen = padded.unfold(1, height, stride[0]).unfold(2, width, stride[1])
        columns = seen.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * inputs)
        product = gradient.permute(1, 0, 2, 3).reshape(outputs, -1) @ columns
        return back, product.view(outputs, height, width, inputs).permute(0, 3, 1, 2), None, None


def memory_layout(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """The layout in which layer 4's convolutions are the faster; those of the trunk always are in channels last."""
    return torch.channels_last if device.type == "cuda" or dtype == torch.bfloat16 else torch.contiguous_format


def fold(network: Network) -> Network:
    """Replace every convolution with batch-norm of `network` (in evaluation mode) by one convolution that does both."""
    for block in network.modules():
        for conv, norm in PAIRS:
            if isinstance(getattr(block, norm, None), nn.BatchNorm2d):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return network


class FoldedCopy:
    """A folded copy of a network that does not train; it stands beside the network, and in no state_dict.

    It is made again whenever a tensor of the network was replaced (`to`, `double`) or written to (`load_state_dict`, an
    optimiser): it cannot be stale, but for writes that torch does not count (by way of `.data`, by a fused optimiser).
    """

    def __init__(self) -> None:
        self._made: tuple[Any, list[Tensor], Any] = (None, [], None)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return FoldedCopy, ()  # a copy of a model folds for itself

    def of(self, network: Network, dtype: torch.dtype, layout: torch.memory_format) -> Network:
        """The copy of `network`, folded in the network's own type and then stored as `dtype` in `layout`."""
        tensors = [*network.parameters(), *network.buffers()]
        key = dtype, layout, [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if self._made[0] != key:
            with torch.inference_mode(False), torch.no_grad():
                made = fold(copy.deepcopy(network).eval()).requires_grad_(False).to(dtype).to(memory_format=layout)
            # the tensors are held so that no others get their addresses
            self._made = key, [tensor.detach() for tensor in tensors], made
        folded: Network = self._made[2]
        return folded

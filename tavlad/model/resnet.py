"""ResNet-34 cut where the method cuts it: a trunk that is never trained, layer 4, and the ImageNet classifier apart."""

from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn import functional as F
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
    conv1: nn.Module
    bn1: nn.Module
    relu: nn.Module
    maxpool: nn.Module
    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module

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
        return last_maps(self.layer4, self.trunk(frames), self.pre_relu)

    def trunk(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, H, W) to layer-3 maps (B, 256, H/16, W/16)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(frames))))
        maps: Tensor = self.layer3(self.layer2(self.layer1(x)))
        return maps


def last_maps(layer4: nn.Sequential, x: Tensor, pre_relu: bool) -> Tensor:
    """Layer 4 on layer-3 maps (B, 256, h, w) -> (B, 512, h/2, w/2), with or without its last ReLU."""
    last: Any = layer4[-1]  # a BasicBlock
    for block in layer4[:-1]:
        x = block(x)
    y = last.relu(last.bn1(last.conv1(x)))
    y = last.bn2(last.conv2(y)) + x  # the last block keeps its input's shape: no downsampling
    return y if pre_relu else F.relu(y)


def fold(network: Network) -> Network:
    """Replace every convolution with batch-norm of `network` (in evaluation mode) by one convolution that does both."""
    for block in network.modules():
        for conv, norm in PAIRS:
            if isinstance(getattr(block, norm, None), nn.BatchNorm2d):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return network

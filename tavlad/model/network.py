"""The interface between the method and a network; each family of networks implements it in a file of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

IMAGENET_CLASSES = 1000
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB in [0, 1]

Folded = TypeVar("Folded", bound=nn.Module)
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Family:
    """ImageNet classifiers of one design, with global average pooling and one linear layer, named `classifier`.

    `channels` gives C of each network's maps; `build` makes the whole network, with random weights and frozen
    batch-norm. `trunk` is never trained, `last_stage` is everything at stride 32 (ResNet: layer 4); both keep the
    published parameter names. `before_activation` runs the last stage up to its last `activation`. `shortcut` appears
    in the names of the shortcuts' convolutions; `depthwise` says that each channel has a convolution of its own, which
    runs faster channels last. `mean` and `std` normalise the input as in pre-training.
    """

    channels: Mapping[str, int]
    build: Callable[[str], nn.Module]
    trunk: Callable[[nn.Module], nn.Sequential]
    last_stage: Callable[[nn.Module], nn.Sequential]
    before_activation: Callable[[nn.Sequential, Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    classifier: str
    shortcut: str = ""
    depthwise: bool = False
    mean: Colour = IMAGENET_MEAN
    std: Colour = IMAGENET_STD


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm whose running statistics are frozen even in training mode (as in TSN); scale and shift may train."""

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__(channels, eps)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenBatchNorm2d":
        """Stay in evaluation mode, whatever `mode` is."""
        return super().train(False)


def from_torchvision(network: str, **options: Any) -> nn.Module:
    """torchvision's `network` with random weights and frozen batch-norm."""
    import torchvision  # as slow to import as torch, and stage 1 needs no network

    whole: nn.Module = torchvision.models.get_model(network, weights=None, norm_layer=FrozenBatchNorm2d, **options)
    return whole


def fold(network: Folded) -> Folded:
    """Fold every batch-norm of `network` (in evaluation mode) into the convolution that is the child before it."""
    for module in list(network.modules()):
        children = list(module.named_children())
        for (conv, first), (norm, second) in pairwise(children):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(first, second))
                setattr(module, norm, nn.Identity())
    return network

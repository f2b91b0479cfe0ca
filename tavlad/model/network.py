"""What the method asks of a network, whichever it is; the file of each family answers for the networks built alike."""

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
    """Classifiers of one build, whose head is global average pooling and one linear layer, `classifier` by name.

    `channels` are the C of each network's maps; `build` makes the whole network, with random weights and frozen
    batch-norm. `trunk` is what never trains and `last_stage` all that runs at stride 32 (ResNet: layer 4), both under
    the names of the publisher; `before_activation` goes through the last stage up to its last `activation`.
    `shortcut` is in the names of the shortcuts' convolutions; `mean` and `std` are those of the frames it learned from.
    """

    channels: Mapping[str, int]
    build: Callable[[str], nn.Module]
    trunk: Callable[[nn.Module], nn.Sequential]
    last_stage: Callable[[nn.Module], nn.Sequential]
    before_activation: Callable[[nn.Sequential, Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    classifier: str
    shortcut: str = ""
    mean: Colour = IMAGENET_MEAN
    std: Colour = IMAGENET_STD


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm whose statistics stay as they are, also in training mode (inherited from TSN); the rest may train."""

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__(channels, eps)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenBatchNorm2d":
        """Evaluation mode, whatever `mode`: wherever the layer is and whoever copied it."""
        return super().train(False)


def from_torchvision(network: str, **options: Any) -> nn.Module:
    """torchvision's `network` with random weights and frozen batch-norm."""
    import torchvision  # it takes as long as torch to load, and stage 1 needs no network

    whole: nn.Module = torchvision.models.get_model(network, weights=None, norm_layer=FrozenBatchNorm2d, **options)
    return whole


def fold(network: Folded) -> Folded:
    """Replace every convolution with batch-norm of `network` (in evaluation mode) by one convolution that does both.

    The batch-norm of a convolution is the child that follows it.
    """
    for module in list(network.modules()):
        children = list(module.named_children())
        for (conv, first), (norm, second) in pairwise(children):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(first, second))
                setattr(module, norm, nn.Identity())
    return network

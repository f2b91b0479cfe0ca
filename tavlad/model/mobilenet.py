"""The MobileNetV2 and EfficientNet families of torchvision: a sequence of features that ends with a 1x1 convolution."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.model.network import Family, from_torchvision


def _trunk(first: int, network: Any) -> nn.Sequential:
    return nn.Sequential(OrderedDict(features=network.features[:first]))


def _last_stage(first: int, network: Any) -> nn.Sequential:
    features: nn.Sequential = network.features[first:]
    return features


def _before_activation(features: nn.Sequential, x: Tensor) -> Tensor:
    for block in features[:-1]:
        x = block(x)
    last: Any = features[-1]
    conv, norm, _ = last
    y: Tensor = norm(conv(x))
    return y


def _family(network: str, first: int, activation: Callable[[Tensor], Tensor], **options: Any) -> Family:
    """`first` is the index of the first feature at stride 32."""
    return Family(
        channels={network: 1280},
        build=partial(from_torchvision, **options),
        trunk=partial(_trunk, first),
        last_stage=partial(_last_stage, first),
        before_activation=_before_activation,
        activation=activation,
        classifier="classifier.1",
        depthwise=True,
    )


MOBILENET = _family("mobilenet_v2", 14, F.relu6)
# stochastic depth would make a clip's gradient depend on the other clips in its batch
EFFICIENTNET = _family("efficientnet_b0", 6, F.silu, stochastic_depth_prob=0.0)

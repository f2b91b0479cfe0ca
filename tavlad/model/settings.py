"""The choices that define a model: arguments, checkpoint header, and values of params.yaml. Does not import torch."""

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

Attention = Literal["joint", "decoupled", "none"]
AttentionScale = Literal[1, "N"]
AttentionPool = Literal["sum", "mean", "standard"]
Temporal = Literal["gru", "bigru", "sum", "gru_flat", "gru_separate"]
Assignment = Literal["soft", "tied", "hard"]
Pooling = Literal["vlad", "avg"]
Features = Literal["relu", "pre_relu"]
NetworkName = Literal[
    "resnet34",
    "resnet18",
    "resnet50",
    "resnet101",
    "regnet_y_400mf",
    "mobilenet_v2",
    "efficientnet_b0",
    "efficientnet_lite0",
]
# Popular networks that cannot be the backbone, by the start of their names.
REFUSED = {
    "mobilenet_v3": "it has two linear layers after pooling, hence no class activation map",
    "vgg": "it has three linear layers, hence no class activation map",
    "alexnet": "it has three linear layers, hence no class activation map",
    "convnext": "it normalises after pooling, so its classifier does not apply to single locations",
    "densenet": "its last ReLU is not part of its features",
    "squeezenet": "it classifies with a convolution before pooling",
    "googlenet": "it resizes and normalises its input itself",
    "inception": "it resizes and normalises its input itself",
    "vit": "it has tokens instead of feature maps with global average pooling",
    "swin": "it normalises its maps before pooling",
    "maxvit": "it normalises after pooling",
}
# What a stage may train: "layer4" is the convolutions of the network's last stage (its name in a ResNet),
# "downsample" those of its shortcuts, "fc" the ImageNet classifier.
Part = Literal["layer4", "downsample", "batchnorm", "fc", "vlad", "gru", "classifier"]


@dataclass(frozen=True)
class ModelSettings:
    """Everything that defines a model except its centres; ValueError names an invalid choice.

    `attention`: "joint" is trained with the backbone, "decoupled" uses a frozen copy of the backbone, "none" weighs all
    locations equally. `attention_scale`: 1 as in the paper; "N" multiplies by the number of locations, so that uniform
    attention equals none. `pooling`: "vlad", or "avg" for the baseline, a linear classifier on average-pooled maps.
    `network` is the backbone; checkpoints that do not name it have a ResNet-34.
    """

    classes: int
    hidden: int
    alpha: float
    attention: Attention
    attention_scale: AttentionScale
    attention_pool: AttentionPool
    temporal: Temporal
    assignment: Assignment
    pooling: Pooling
    features: Features
    dropout: float
    network: NetworkName = "resnet34"

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if choices := get_args(kind):
                require_choice(name, getattr(self, name), choices)


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ValueError if `value` of the setting `name` is not among `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")


def why_no_backbone(network: str) -> str:
    """Why `network` cannot be the backbone; empty if it can, or if it is unknown."""
    for start, reason in REFUSED.items():
        if network.startswith(start):
            return f"{network} cannot be the backbone: {reason}. Choose one of {', '.join(get_args(NetworkName))}"
    return ""


CHOSEN = tuple(field.name for field in fields(ModelSettings) if field.name not in ("classes", "dropout", "network"))

"""What a model is: its signature, the header of its checkpoint, the choices that params.yaml has. Imports no torch."""

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
# Networks that people ask for and that cannot be one, by how their names begin.
REFUSED = {
    "mobilenet_v3": "it has two linear layers after pooling, and so no class activation map",
    "vgg": "it has three linear layers, and so no class activation map",
    "alexnet": "it has three linear layers, and so no class activation map",
    "convnext": "it normalises after pooling, so that its classifier says nothing of a location",
    "densenet": "its last ReLU stands outside of its features",
    "squeezenet": "it classifies by a convolution before pooling",
    "googlenet": "it resizes and normalises its input itself",
    "inception": "it resizes and normalises its input itself",
    "vit": "it has tokens, and no maps before a global average pooling",
    "swin": "it normalises its maps before pooling",
    "maxvit": "it normalises after pooling",
}
# What a stage may train: "layer4" are the convolutions of the network's last stage, as it is called in a ResNet,
# "downsample" those of its shortcuts, "fc" the ImageNet classifier.
Part = Literal["layer4", "downsample", "batchnorm", "fc", "vlad", "gru", "classifier"]


@dataclass(frozen=True)
class ModelSettings:
    """All of a model but its centres; ValueError naming a value that is no choice.

    `attention`: "joint" trains with the backbone, "decoupled" comes from a copy of the backbone that never trains,
    "none" weighs all locations alike. `attention_scale`: 1 as the paper has it, "N" times the number of locations, so
    that uniform attention equals none. `pooling`: "vlad", or "avg" for the baseline of average-pooled maps under a
    linear classifier. `network` makes the maps; checkpoints from before there was a choice are of ResNet-34.
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
    """ValueError if `value` of the setting `name` is not among `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(str, choices))}, not {value!r}")


def why_no_backbone(network: str) -> str:
    """Why `network` cannot be the backbone; empty if it can, or if nothing is known of it."""
    for start, reason in REFUSED.items():
        if network.startswith(start):
            return f"{network} cannot be the backbone: {reason}. Choose one of {', '.join(get_args(NetworkName))}"
    return ""


CHOSEN = tuple(field.name for field in fields(ModelSettings) if field.name not in ("classes", "dropout", "network"))

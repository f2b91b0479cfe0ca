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
Part = Literal["layer4", "downsample", "batchnorm", "fc", "vlad", "gru", "classifier"]  # what a stage may train


@dataclass(frozen=True)
class ModelSettings:
    """All of a model but its centres; ValueError naming a value that is no choice.

    `attention`: "joint" trains with the backbone, "decoupled" comes from a copy of the backbone that never trains,
    "none" weighs all locations alike. `attention_scale`: 1 as the paper has it, "N" times the number of locations, so
    that uniform attention equals none. `pooling`: "vlad", or "avg" for the baseline of average-pooled maps under a
    linear classifier.
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

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if choices := get_args(kind):
                require_choice(name, getattr(self, name), choices)


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """ValueError if `value` of the setting `name` is not among `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(str, choices))}, not {value!r}")


CHOSEN = tuple(field.name for field in fields(ModelSettings) if field.name not in ("classes", "dropout"))

"""The small model of most tests."""

from typing import Any

import torch

from tavlad.model.resnet import Backbone
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD

SETTINGS: dict[str, Any] = {
    "hidden": 6,
    "alpha": 10.0,
    "attention": "joint",
    "attention_scale": "N",
    "attention_pool": "sum",
    "temporal": "gru",
    "assignment": "soft",
    "pooling": "vlad",
    "features": "relu",
    "dropout": 0.5,
}


def small_model(classes: int, seed: int, backbone: bool, **changes: Any) -> TAVLAD:
    """A model of 4 clusters with drawn weights, in evaluation mode."""
    torch.manual_seed(seed)
    centers = torch.nn.functional.normalize(torch.rand(4, 512), dim=1)
    model = TAVLAD(centers, ModelSettings(classes, **(SETTINGS | changes)))
    if backbone:
        model.attach(Backbone(pre_relu=model.settings.features == "pre_relu"))
    return model.eval()

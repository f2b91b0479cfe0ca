"""The small model of most tests."""

from typing import Any

import torch

from tavlad.model.backbone import Backbone, family_of
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
    settings = ModelSettings(classes, **(SETTINGS | changes))
    channels = family_of(settings.network).channels[settings.network]
    centers = torch.nn.functional.normalize(torch.rand(4, channels), dim=1)
    model = TAVLAD(centers, settings)
    if backbone:
        model.attach(Backbone(settings.network, pre_relu=model.settings.features == "pre_relu"))
    return model.eval()

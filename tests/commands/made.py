"""A tiny model and a tiny video, as commands take them."""

from pathlib import Path

import numpy as np
import torch

from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.model.resnet import Backbone
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD
from tavlad.video.stream import write_stream

CLASSES = ("dance", "jump", "run")
SETTINGS = {
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


def make_model(folder: Path, backbone: bool = True, classes: tuple[str, ...] = CLASSES, **changes: str) -> Path:
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.rand(4, 512), dim=1)
    model = TAVLAD(centres, ModelSettings(len(classes), **(SETTINGS | changes)))
    sizes = {}
    if backbone:
        model.attach(Backbone(pre_relu=False))
        sizes = {"frames": 3, "short_side": 80, "crop": 64, "jpeg_quality": 95}
    folder.mkdir()
    save_checkpoint(folder / "model.safetensors", model, Facts(classes, "float32", "recipe", **sizes))
    return folder


def make_clip(path: Path) -> Path:
    """Nine frames of coloured squares."""
    rng = np.random.default_rng(0)
    frames = (np.repeat(np.repeat(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8), 8, 0), 8, 1) for _ in range(9))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stream(path, frames, 15)
    return path

"""A tiny model and a tiny video, as commands take them."""

from pathlib import Path

import numpy as np

from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.video.stream import write_stream
from tests.models import small_model

CLASSES = ("dance", "jump", "run")


def make_model(folder: Path, backbone: bool = True, classes: tuple[str, ...] = CLASSES, **changes: str) -> Path:
    model = small_model(len(classes), 0, backbone, **changes)
    sizes = {"frames": 3, "short_side": 80, "crop": 64, "jpeg_quality": 95} if backbone else {}
    folder.mkdir()
    save_checkpoint(folder / "model.safetensors", model, Facts(classes, "float32", "recipe", **sizes))
    return folder


def make_clip(path: Path, seed: int = 0, length: int = 9) -> Path:
    """Frames of coloured squares."""
    rng = np.random.default_rng(seed)
    frames = (
        np.repeat(np.repeat(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8), 8, 0), 8, 1) for _ in range(length)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stream(path, frames, 15)
    return path

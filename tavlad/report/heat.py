"""Attention as heat over the crop that a model sees: the colours, the scale, the place."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, PowerNorm
from PIL import Image

STEPS = 256
GLOW = 4  # the scale ends at no less than so many times uniform attention, which else would glow everywhere


def _colours() -> ListedColormap:
    """Black through red to pale yellow, evenly brighter to the eye; the less attention, the clearer."""
    table = colormaps["inferno"](np.linspace(0, 1, STEPS))
    table[:, 3] = np.linspace(0, 0.8, STEPS)
    return ListedColormap(table, "heat")


COLOURS = _colours()


def scale_of(attention: np.ndarray) -> PowerNorm:
    """The colour scale of attention (..., H, W): from 0 to its largest value, or to 4 times uniform if that is more.

    It is that of the square root, so that a peak leaves the rest visible.
    """
    uniform = 1 / (attention.shape[-2] * attention.shape[-1])
    return PowerNorm(0.5, 0, max(float(attention.max()), GLOW * uniform))


def crop_corner(height: int, width: int, crop: int) -> tuple[int, int]:
    """Top and left of the centre crop, as `tavlad.features.views` cuts it."""
    return (height - crop) // 2, (width - crop) // 2


def lay_over(square: np.ndarray, attention: np.ndarray, scale: PowerNorm) -> np.ndarray:
    """The cropped frame uint8 (S, S, 3), in grey, under its attention (H, W), enlarged bilinearly: uint8 (S, S, 3)."""
    enlarged = Image.fromarray(attention.astype(np.float32)).resize(square.shape[1::-1], Image.Resampling.BILINEAR)
    heat = COLOURS(scale(np.asarray(enlarged)), bytes=True).astype(np.uint16)
    grey = np.asarray(Image.fromarray(square).convert("L"))[..., None]  # a yellow court must not be taken for heat
    alpha = heat[..., 3:]
    return ((grey * (255 - alpha) + heat[..., :3] * alpha + 127) // 255).astype(np.uint8)

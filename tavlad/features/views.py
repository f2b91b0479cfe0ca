"""Views of a clip's stored frames for the network: the centre crop, or an augmented draw (paper, section 4.1)."""

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from tavlad.store.inputs import rng_for

SCALES = (1.0, 0.875, 0.75, 0.65625)  # side of the square crop over the short side of the frame
CORNERS = ("centre", "top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True)
class Draw:
    """One augmentation, the same for all frames of a clip."""

    scale: float
    corner: str
    flip: bool


def draw_augmentation(rng: np.random.Generator) -> Draw:
    """Draw an augmentation uniformly over scales, corners and flips."""
    scale, corner, flip = rng.integers(len(SCALES)), rng.integers(len(CORNERS)), rng.integers(2)
    return Draw(SCALES[scale], CORNERS[corner], bool(flip))


def draws_of(seed: int, clip_id: str, count: int) -> list[Draw | None]:
    """The draws of a clip's cached views: None, the centre crop, for view 0; the others from seed, id and view."""
    return [None, *(draw_augmentation(rng_for(seed, clip_id, view)) for view in range(1, count))]


def centre_view(frames: Tensor, crop: int) -> Tensor:
    """Centre crop of frames uint8 (T,H,W,3) -> levels float32 (T,3,crop,crop); ValueError if they are too small."""
    return as_seen(square_of(frames, None, crop), None, crop)


def augmented_view(frames: Tensor, draw: Draw, crop: int) -> Tensor:
    """Crop frames uint8 (T,H,W,3) as drawn, resize and flip -> levels float32 (T,3,crop,crop)."""
    return as_seen(square_of(frames, draw, crop), draw, crop)


def square_of(frames: Tensor, draw: Draw | None, crop: int) -> Tensor:
    """The crop (T,side,side,3) of frames (T,H,W,3) given by `draw` (None: the centre), not yet resized or flipped."""
    height, width = frames.shape[1:3]
    side, corner = (crop, "centre") if draw is None else (round(draw.scale * min(height, width)), draw.corner)
    if side > min(height, width):
        raise ValueError(f"a crop of {side} pixels does not fit into frames of {width}x{height}")
    top, left = (height - side) // 2, (width - side) // 2
    if corner != "centre":
        vertical, horizontal = corner.split()
        top, left = (height - side) * (vertical == "bottom"), (width - side) * (horizontal == "right")
    return frames[:, top : top + side, left : left + side]


def as_seen(square: Tensor, draw: Draw | None, crop: int) -> Tensor:
    """Resize and flip a crop uint8 (T,side,side,3) for the network -> levels 0..255, float32 (T,3,crop,crop)."""
    levels = square.permute(0, 3, 1, 2).float()
    if levels.shape[-1] != crop:
        levels = F.interpolate(levels, (crop, crop), mode="bilinear", align_corners=False, antialias=True)
    return levels.flip(-1) if draw is not None and draw.flip else levels

"""The only path from a clip to its logits, one clip at a time: evaluation and prediction give the same bits."""

import numpy as np
import torch
from torch import Tensor

from tavlad.device import autocast
from tavlad.features.views import as_seen, square_of
from tavlad.model.tavlad import TAVLAD


def class_scores(model: TAVLAD, frames: np.ndarray, crop: int, precision: str, device: torch.device) -> np.ndarray:
    """Logits float32 (Y) of stored frames uint8 (T,H,W,3), centre crop; `model` is on `device`, in evaluation mode."""
    return logits_of(model, *maps_of_frames(model, frames, crop, precision, device), precision)


def scores_of_maps(model: TAVLAD, maps: np.ndarray, precision: str, device: torch.device) -> np.ndarray:
    """Logits float32 (Y) of cached maps float16 (T,C,H,W); `model` is on `device`, in evaluation mode."""
    cached = cached_maps(maps, device)
    return logits_of(model, cached, cached, precision)


def maps_of_frames(
    model: TAVLAD, frames: np.ndarray, crop: int, precision: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The maps to encode and the maps to attend by, both (1,T,C,H,W) on `device`, of stored frames uint8 (T,H,W,3)."""
    square = square_of(torch.from_numpy(frames), None, crop).to(device)  # as bytes, a quarter of the size in float32
    view = model.network().normalised(as_seen(square, None, crop))
    with torch.inference_mode(), autocast(device, precision):
        return model.maps_of(view[None])


def cached_maps(maps: np.ndarray, device: torch.device) -> Tensor:
    """Cached maps float16 (T,C,H,W) as input for the model: float32 (1,T,C,H,W) on `device`."""
    return torch.from_numpy(maps).float()[None].to(device)


def logits_of(model: TAVLAD, maps: Tensor, seen: Tensor, precision: str) -> np.ndarray:
    """Logits float32 (Y) of one clip's maps to encode and to attend by, both (1,T,C,H,W)."""
    with torch.inference_mode(), autocast(maps.device, precision):
        logits: np.ndarray = model.classify(maps, seen)[0].float().cpu().numpy()
    return logits

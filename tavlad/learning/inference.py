"""The one way from a clip to its logits, one clip at a time: evaluation and prediction give the same bits."""

import numpy as np
import torch

from tavlad.device import autocast
from tavlad.features.views import centre_view
from tavlad.model.tavlad import TAVLAD


def class_scores(model: TAVLAD, frames: np.ndarray, crop: int, precision: str, device: torch.device) -> np.ndarray:
    """Logits float32 (Y) of stored frames uint8 (T,H,W,3), centre crop; `model` is on `device`, in evaluation mode."""
    view = centre_view(torch.from_numpy(frames), crop)
    with torch.inference_mode(), autocast(device, precision):
        logits: np.ndarray = model(view[None].to(device))[0].float().cpu().numpy()
    return logits


def scores_of_maps(model: TAVLAD, maps: np.ndarray, precision: str, device: torch.device) -> np.ndarray:
    """Logits float32 (Y) of cached maps float16 (T,C,H,W); `model` is on `device`, in evaluation mode."""
    view = torch.from_numpy(maps).float()
    with torch.inference_mode(), autocast(device, precision):
        logits: np.ndarray = model.forward_maps(view[None].to(device))[0].float().cpu().numpy()
    return logits

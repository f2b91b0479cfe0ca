"""A random backbone that the tests of this room share: it takes a moment to make."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tavlad.features.weights import random_weights


@pytest.fixture(scope="session")
def images() -> Tensor:
    """Normalised images (8,3,64,64) with structure at several sizes."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(8, 3, size, size, generator=generator) for size in (4, 16, 64)]
    return sum((torch.nn.functional.interpolate(part, (64, 64)) for part in parts), torch.zeros(()))


@pytest.fixture(scope="session")
def state(images: Tensor) -> dict[str, Tensor]:
    """Random weights, calibrated on `images`."""
    return random_weights(3, images)


@pytest.fixture
def frames() -> np.ndarray:
    """Frames uint8 (5,64,80,3)."""
    return np.random.default_rng(1).integers(0, 256, (5, 64, 80, 3), dtype=np.uint8)

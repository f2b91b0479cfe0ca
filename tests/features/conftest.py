"""A random backbone that the tests of this room share: it takes a moment to make."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tavlad.features.backbone import Weights
from tavlad.features.weights import random_weights
from tavlad.model.backbone import normalise
from tavlad.model.resnet import RESNET


@pytest.fixture(scope="session")
def levels() -> Tensor:
    """Images (8,3,64,64) with structure at several sizes, as levels about 0..255."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(8, 3, size, size, generator=generator) for size in (4, 16, 64)]
    return 120 + 60 * sum((torch.nn.functional.interpolate(part, (64, 64)) for part in parts), torch.zeros(()))


@pytest.fixture(scope="session")
def images(levels: Tensor) -> Tensor:
    """The same images, normalised."""
    return normalise(levels, RESNET)


@pytest.fixture(scope="session")
def weights(levels: Tensor) -> Weights:
    """A random ResNet-34, calibrated on `levels`."""
    return random_weights("resnet34", 3, levels)


@pytest.fixture(scope="session")
def state(weights: Weights) -> dict[str, Tensor]:
    """The tensors of `weights`."""
    return dict(weights.tensors)


@pytest.fixture
def frames() -> np.ndarray:
    """Frames uint8 (5,64,80,3)."""
    return np.random.default_rng(1).integers(0, 256, (5, 64, 80, 3), dtype=np.uint8)

"""The folded network against the unfolded one, and a clip's maps against one frame at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tavlad.features.backbone import Weights
from tavlad.features.extraction import clip_maps, folded_backbone
from tavlad.features.views import Draw, augmented_view, centre_view
from tavlad.model.network import fold

CPU = torch.device("cpu")
DRAWS = [None, Draw(0.875, "top left", True)]


def unlike_the_start(weights: Weights) -> Weights:
    """The same network with batch-norm weights that are not all 1 and 0."""
    generator = torch.Generator().manual_seed(1)
    changed = dict(weights.tensors)
    for name, tensor in weights.tensors.items():
        if ("bn" in name or "downsample.1" in name) and name.endswith(("weight", "bias")):
            changed[name] = tensor + 0.2 * torch.randn(tensor.shape, generator=generator)
    return Weights(weights.network, changed)


@pytest.mark.parametrize("pre_relu", [False, True])
def test_folding_changes_nothing_in_float64(weights: Weights, images: Tensor, pre_relu: bool) -> None:
    plain = unlike_the_start(weights).backbone(pre_relu).eval().double()
    with torch.inference_mode():
        expected = plain(images.double())
        found = fold(plain)(images.double())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert (expected < 0).any() == pre_relu
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_clip_maps_are_the_backbones_maps_of_each_view(
    weights: Weights, frames: np.ndarray, precision: str, tolerance: float
) -> None:
    maps = clip_maps(folded_backbone(weights, False, precision, CPU), frames, DRAWS, 64, 3)
    assert maps.dtype == np.float16 and maps.shape == (2, 5, 512, 2, 2) and maps.flags.c_contiguous
    pixels, plain = torch.from_numpy(frames), weights.backbone(False).eval()
    views = centre_view(pixels, 64), augmented_view(pixels, DRAWS[1], 64)
    with torch.inference_mode():
        expected = torch.stack([plain(plain.normalised(view)) for view in views])
    assert np.abs(maps - expected.numpy()).mean() < tolerance  # expected.std() is 1.3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_size_of_a_pass_decides_no_bit(weights: Weights, frames: np.ndarray, precision: str) -> None:
    network = folded_backbone(weights, False, precision, CPU)
    first, *others = (clip_maps(network, frames, DRAWS, 64, batch).tobytes() for batch in (3, 4, 7, 64))
    assert all(other == first for other in others)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_agrees_with_the_cpu_and_repeats_its_bytes(weights: Weights, frames: np.ndarray) -> None:
    network = folded_backbone(weights, False, "float32", torch.device("cuda"))
    maps = clip_maps(network, frames, DRAWS, 64, 64)
    expected = clip_maps(folded_backbone(weights, False, "float32", CPU), frames, DRAWS, 64, 64)
    np.testing.assert_allclose(maps, expected, atol=0.02)
    assert clip_maps(network, frames, DRAWS, 64, 64).tobytes() == maps.tobytes()

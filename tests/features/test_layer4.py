"""The folded network against the unfolded one, and a clip's maps against one frame at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tavlad.features.extraction import clip_maps, folded_backbone
from tavlad.features.views import Draw, augmented_view, centre_view
from tavlad.model.resnet import Backbone, fold

CPU = torch.device("cpu")
DRAWS = [None, Draw(0.875, "top left", True)]


def unfolded(state: dict[str, Tensor], pre_relu: bool) -> Backbone:
    network = Backbone(pre_relu=pre_relu)
    network.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("fc.")})
    return network.eval()


def unlike_the_start(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same network with batch-norm weights that are not all 1 and 0."""
    generator = torch.Generator().manual_seed(1)
    changed = dict(state)
    for name in state:
        if ("bn" in name or "downsample.1" in name) and name.endswith(("weight", "bias")):
            changed[name] = state[name] + 0.2 * torch.randn(state[name].shape, generator=generator)
    return changed


@pytest.mark.parametrize("pre_relu", [False, True])
def test_folding_changes_nothing_in_float64(state: dict[str, Tensor], images: Tensor, pre_relu: bool) -> None:
    plain = unfolded(unlike_the_start(state), pre_relu).double()
    with torch.inference_mode():
        expected = plain(images.double())
        found = fold(plain)(images.double())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert (expected < 0).any() == pre_relu
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_clip_maps_are_the_backbones_maps_of_each_view(
    state: dict[str, Tensor], frames: np.ndarray, precision: str, tolerance: float
) -> None:
    maps = clip_maps(folded_backbone(state, False, precision, CPU), frames, DRAWS, 64, 3)
    assert maps.dtype == np.float16 and maps.shape == (2, 5, 512, 2, 2) and maps.flags.c_contiguous
    pixels, plain = torch.from_numpy(frames), unfolded(state, False)
    with torch.inference_mode():
        expected = torch.stack([plain(centre_view(pixels, 64)), plain(augmented_view(pixels, DRAWS[1], 64))])
    assert np.abs(maps - expected.numpy()).mean() < tolerance  # expected.std() is 1.3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_size_of_a_pass_decides_no_bit(state: dict[str, Tensor], frames: np.ndarray, precision: str) -> None:
    network = folded_backbone(state, False, precision, CPU)
    first, *others = (clip_maps(network, frames, DRAWS, 64, batch).tobytes() for batch in (3, 4, 7, 64))
    assert all(other == first for other in others)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_agrees_with_the_cpu_and_repeats_its_bytes(state: dict[str, Tensor], frames: np.ndarray) -> None:
    network = folded_backbone(state, False, "float32", torch.device("cuda"))
    maps = clip_maps(network, frames, DRAWS, 64, 64)
    expected = clip_maps(folded_backbone(state, False, "float32", CPU), frames, DRAWS, 64, 64)
    np.testing.assert_allclose(maps, expected, atol=0.02)
    assert clip_maps(network, frames, DRAWS, 64, 64).tobytes() == maps.tobytes()

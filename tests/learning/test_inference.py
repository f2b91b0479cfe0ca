"""The path from frames to logits: its arithmetic by hand, and what precision does to it."""

import numpy as np
import pytest
import torch

from tavlad.learning.inference import class_scores, scores_of_maps
from tavlad.model.tavlad import TAVLAD
from tests.models import small_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model() -> TAVLAD:
    return small_model(3, 0, backbone=True)


def test_frames_pass_the_centre_view_and_then_the_model(model: TAVLAD) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    crop = frames[:, 4:36, 9:41].astype(np.float32) / 255
    crop = (crop - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = model(torch.from_numpy(crop.transpose(0, 3, 1, 2))[None])[0].numpy()
    logits = class_scores(model, frames, 32, "float32", CPU)
    assert (logits.shape, logits.dtype) == ((3,), np.float32)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_array_equal(logits, class_scores(model, frames, 32, "float32", CPU))


def test_bfloat16_changes_the_backbone_little_but_does_change_it(model: TAVLAD) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    exact, lowered = (class_scores(model, frames, 32, precision, CPU) for precision in ("float32", "bfloat16"))
    assert lowered.dtype == np.float32
    assert 0 < np.abs(exact - lowered).max() < 0.1


def test_maps_are_read_as_float32(model: TAVLAD) -> None:
    maps = np.random.default_rng(2).random((2, 512, 2, 2)).astype(np.float16)
    with torch.no_grad():
        expected = model.forward_maps(torch.from_numpy(maps.astype(np.float32))[None])[0].numpy()
    np.testing.assert_array_equal(scores_of_maps(model, maps, "float32", CPU), expected)

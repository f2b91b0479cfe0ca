"""Augmented views: pixels against slices, draws against their distribution."""

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tavlad.features import views
from tavlad.features.views import (
    CORNERS,
    SCALES,
    Draw,
    as_seen,
    augmented_view,
    centre_view,
    draw_augmentation,
    draws_of,
    square_of,
)
from tavlad.store.inputs import rng_for

CHI_SQUARE_39 = 72.1  # 99.9 % point of chi-square with 39 degrees of freedom


def clip(T: int = 3, H: int = 32, W: int = 48) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (T, H, W, 3), dtype=np.uint8))


def levels(view: torch.Tensor) -> torch.Tensor:
    """A view's levels, (T,S,S,3) uint8."""
    assert torch.equal(view, view.round())
    return view.to(torch.uint8).permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("corner", "top", "left"),
    [("top left", 0, 0), ("top right", 0, 20), ("bottom left", 4, 0), ("bottom right", 4, 20), ("centre", 2, 10)],
)
def test_a_crop_of_its_own_size_is_those_very_pixels(corner: str, top: int, left: int) -> None:
    frames = clip()
    square = frames[:, top : top + 28, left : left + 28]
    assert torch.equal(levels(augmented_view(frames, Draw(0.875, corner, False), 28)), square)
    assert torch.equal(levels(augmented_view(frames, Draw(0.875, corner, True), 28)), square.flip(2))


def test_all_corners_are_drawn_and_each_cuts_elsewhere() -> None:
    cuts = {levels(augmented_view(clip(), Draw(0.875, corner, False), 28)).numpy().tobytes() for corner in CORNERS}
    assert len(cuts) == len(CORNERS) == 5


def test_centre_view_rescales_nothing() -> None:
    view = centre_view(clip(), 24)
    assert view.dtype == torch.float32 and view.shape == (3, 3, 24, 24)
    assert torch.equal(levels(view), clip()[:, 4:28, 12:36])


@pytest.mark.parametrize("scale", SCALES)
def test_another_scale_is_the_antialiased_resize_of_that_square(scale: float) -> None:
    frames, side = clip(H=32, W=32), round(32 * scale)
    cut = frames[:, :side, :side].permute(0, 3, 1, 2).double()
    expected = F.interpolate(cut, (16, 16), mode="bilinear", antialias=True, align_corners=False)
    view = augmented_view(frames, Draw(scale, "top left", False), 16)
    torch.testing.assert_close(view.double(), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("draw", [None, *(Draw(scale, corner, True) for scale in SCALES for corner in CORNERS)])
def test_what_is_cut_first_is_seen_as_what_is_cut_at_once_bit_for_bit(draw: Draw | None) -> None:
    """A worker cuts, as bytes and packed; what trains makes floating point of it."""
    frames, crop = clip(H=48, W=67), 40
    square = square_of(frames, draw, crop).contiguous()
    height, width = frames.shape[1:3]
    side = crop if draw is None else round(draw.scale * height)
    top, left = {
        "centre": ((height - side) // 2, (width - side) // 2),
        "top left": (0, 0),
        "top right": (0, width - side),
        "bottom left": (height - side, 0),
        "bottom right": (height - side, width - side),
    }["centre" if draw is None else draw.corner]
    assert square.dtype == torch.uint8 and torch.equal(square, frames[:, top : top + side, left : left + side])
    levels = frames.permute(0, 3, 1, 2)[:, :, top : top + side, left : left + side].float()
    if side != crop:
        levels = F.interpolate(levels, (crop, crop), mode="bilinear", align_corners=False, antialias=True)
    expected = levels if draw is None else levels.flip(-1)
    assert torch.equal(as_seen(square, draw, crop), expected)
    assert torch.equal(centre_view(frames, crop) if draw is None else augmented_view(frames, draw, crop), expected)


def test_all_frames_of_a_clip_share_the_draw() -> None:
    frames = clip(T=1).expand(4, -1, -1, -1)
    view = augmented_view(frames, draw_augmentation(rng_for(1, "a", 1)), 20)
    assert all(torch.equal(view[0], one) for one in view)


def test_a_crop_that_does_not_fit_is_an_error_with_both_sizes() -> None:
    with pytest.raises(ValueError, match="33 pixels does not fit into frames of 48x32"):
        centre_view(clip(), 33)


def test_draws_are_uniform_over_scales_corners_and_flips() -> None:
    rng = np.random.default_rng(7)
    counts = Counter(draw_augmentation(rng) for _ in range(8000))
    assert set(counts) == {Draw(s, c, f) for s in SCALES for c in CORNERS for f in (False, True)}
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < CHI_SQUARE_39


def test_a_draw_depends_on_seed_clip_and_turn_alone() -> None:
    def first(seed: int, clip_id: str, turn: int) -> float:
        return rng_for(seed, clip_id, turn).random()

    names = [(seed, clip_id, turn) for seed in (1, 11) for clip_id in ("a", "1a", "ü/b") for turn in (1, 11)]
    assert len({first(*name) for name in names}) == len(names)
    assert first(*names[3]) == first(*names[3])


def test_views_of_a_clip_do_not_depend_on_how_many_there_are() -> None:
    six = draws_of(1, "a", 6)
    assert six[0] is None and draws_of(1, "a", 3) == six[:3]
    assert six != draws_of(1, "b", 6) != draws_of(2, "b", 6)


def test_scales_are_the_papers() -> None:
    assert views.SCALES == (1, 0.875, 0.75, 0.65625)
    assert [round(scale * 256) for scale in views.SCALES] == [256, 224, 192, 168]

"""Attention measured: against loops over painted pixels, and at the ends of its range."""

import numpy as np
import pytest

from tavlad.learning.clip_attention import SavedAttention
from tavlad.report.attention import attention_metrics, covered, entropy, masses

RNG = np.random.default_rng(0)


def looks(attention: np.ndarray | None, clips: int = 1) -> SavedAttention:
    ids = tuple(f"clip{number}" for number in range(clips))
    return SavedAttention(ids, np.full(clips, 0.25), np.full(clips, 0.5), attention, None)


def test_covered_cells_are_counted_as_pixels_are() -> None:
    """A box on a raster of 120 x 120, four by three cells of it."""
    for _ in range(20):
        x0, y0 = RNG.integers(0, 100, 2)
        x1, y1 = x0 + RNG.integers(1, 21), y0 + RNG.integers(1, 21)
        image = np.zeros((120, 120))
        image[y0:y1, x0:x1] = 1
        expected = [[image[r * 30 : r * 30 + 30, c * 40 : c * 40 + 40].mean() for c in range(3)] for r in range(4)]
        np.testing.assert_allclose(covered(np.array([x0, y0, x1, y1]) / 120, 4, 3), expected, atol=1e-12)


def test_entropy_is_one_when_uniform_and_zero_at_a_point() -> None:
    point = np.zeros((4, 4))
    point[1, 2] = 1
    assert entropy(np.stack([np.full((4, 4), 1 / 16), point])).tolist() == pytest.approx([1, 0])
    values = RNG.random((3, 5))
    values /= values.sum()
    expected = -sum(v * np.log(v) for v in values.ravel()) / np.log(15)
    assert entropy(values) == pytest.approx(expected)
    assert np.isfinite(entropy(np.ones((1, 1))))


def test_uniform_attention_has_a_focus_of_one_and_the_object_alone_the_inverse_of_its_share() -> None:
    boxes = {"clip0": np.array([[0.25, 0.5, 0.75, 1.0]] * 2)}  # a quarter of the picture, on the cells' edges
    uniform, inside = np.full((1, 2, 4, 4), 1 / 16), np.zeros((1, 2, 4, 4))
    inside[:, :, 2:, 1:3] = 1 / 4
    names = {"clip0": "Open"}
    assert attention_metrics(looks(uniform), names, boxes)["focus"] == 1
    document = attention_metrics(looks(inside), names, boxes)
    assert document["focus"] == 4 and document["focus_per_class"] == {"Open": 4}
    assert masses(looks(inside), boxes) == {"clip0": (1.0, 0.25)}


def test_clips_count_by_their_boxes_and_those_without_are_left_out() -> None:
    attention = np.full((3, 1, 2, 2), 1 / 4)
    attention[0] = [[[1, 0], [0, 0]]]
    boxes = {"clip0": np.array([[0, 0, 0.5, 0.5]]), "clip1": np.array([[0, 0, 1, 0.5]])}
    document = attention_metrics(looks(attention, 3), {"clip0": "a", "clip1": "b", "clip2": "b"}, boxes)
    assert document["focus"] == pytest.approx((1 + 0.5) / (0.25 + 0.5))
    assert document["focus_per_class"] == {"a": 4, "b": 1}


def test_a_box_outside_the_crop_does_not_count() -> None:
    uniform, outside = np.full((2, 1, 2, 2), 1 / 4), np.array([[1.1, 0.0, 1.2, 1.0]])
    boxes = {"clip0": outside, "clip1": np.array([[0, 0, 0.5, 1]])}
    document = attention_metrics(looks(uniform, 2), {"clip0": "a", "clip1": "b"}, boxes)
    assert document["focus"] == 1 and document["focus_per_class"] == {"b": 1}
    assert "focus" not in attention_metrics(looks(uniform, 2), {"clip0": "a"}, {"clip0": outside})


def test_what_a_variant_lacks_is_not_reported() -> None:
    without_attention = attention_metrics(looks(None), {"clip0": "a"}, {"clip0": np.ones((1, 4))})
    assert without_attention == {"empty_clusters": 0.25, "confident_assignments": 0.5}
    average = SavedAttention(("clip0",), np.array([np.nan]), np.array([np.nan]), None, None)
    assert attention_metrics(average, {"clip0": "a"}, {}) == {}

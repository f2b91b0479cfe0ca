"""Heat and panel on the right pixels: a planted attention shines where it was planted, in frames of any shape."""

import numpy as np
import pytest
import torch

from tavlad.features.views import square_of
from tavlad.report.overlay import WatchedClip, compose
from tavlad.report.picture import crop_corner, lay_over, scale_of

CELLS = 7


def planted(*cells: tuple[int, int]) -> np.ndarray:
    """Attention (T, 7, 7), all of it in one cell (row, column) of each frame."""
    attention = np.zeros((len(cells), CELLS, CELLS), np.float32)
    for frame, cell in zip(attention, cells, strict=True):
        frame[cell] = 1
    return attention


def watched_clip(attention: np.ndarray, indices: list[int], crop: int = 224) -> WatchedClip:
    T = len(attention)
    probabilities = np.linspace([0.9, 0.1], [0.2, 0.8], T) if T > 1 else np.array([[0.2, 0.8]])
    return WatchedClip(indices, attention, tuple(f"object {t}" for t in range(T)), probabilities, ("jump", "run"), crop)


def brightest(picture: np.ndarray) -> tuple[float, float]:
    """Row and column of the middle of what is brightest."""
    light = picture.astype(float).sum(axis=2)
    rows, columns = np.nonzero(light >= light.max() - 3)
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize("height, width", [(256, 341), (454, 256), (256, 256)])
@pytest.mark.parametrize("cell", [(0, 0), (2, 5), (6, 3)])
def test_the_heat_is_brightest_where_attention_was_planted(height: int, width: int, cell: tuple[int, int]) -> None:
    grey = np.full((height, width, 3), 128, np.uint8)
    composed = compose(grey, 0, watched_clip(planted(cell), [0]))
    top, left = (height - 224) // 2 * 2, (width - 224) // 2 * 2  # short sides of 256 are shown twice as large
    inside = composed[top + 4 : top + 444, left + 4 : left + 444]  # but for the border
    row, column = brightest(inside)
    # the cells at the edge have their light up to the edge
    expected = [np.clip((place + 0.5) * 64, 0, 448) - 4 for place in cell]
    assert abs(row - expected[0]) <= 16 and abs(column - expected[1]) <= 16


def test_the_crop_is_bordered_and_what_lies_outside_is_dimmed() -> None:
    composed = compose(np.full((256, 341, 3), 100, np.uint8), 0, watched_clip(planted((3, 3)), [0]))
    assert composed.shape == (512, 682 + 360, 3)
    border = np.zeros((512, 682), bool)
    border[32:480, 116:564] = True
    border[33:479, 117:563] = False
    assert (composed[:, :682][border] == 240).all()
    outside = np.ones((512, 682), bool)
    outside[28:484, 112:568] = False
    assert (composed[:, :682][outside] == 40).all()


@pytest.mark.parametrize("height, width, crop", [(40, 53, 31), (41, 40, 32), (128, 170, 112)])
def test_the_corner_is_that_of_the_crop_that_the_model_sees(height: int, width: int, crop: int) -> None:
    numbers = torch.arange(height * width).view(1, height, width, 1).expand(-1, -1, -1, 3)
    first = int(square_of(numbers, None, crop)[0, 0, 0, 0])
    assert divmod(first, width) == crop_corner(height, width, crop)


def test_sizes_are_even_whatever_the_frame() -> None:
    composed = compose(np.zeros((455, 385, 3), np.uint8), 0, watched_clip(planted((0, 0)), [0], crop=101))
    assert composed.shape == (456, 386 + 360, 3)


def test_attention_moves_evenly_between_sampled_frames_and_is_still_before_and_after() -> None:
    watched = watched_clip(planted((0, 0), (6, 6), (3, 3)), [2, 6, 8])
    places = [(0, 1, 0, 0, 0), (2, 1, 0, 0, 0), (3, 0.75, 0.25, 0, 0), (5, 0.25, 0.75, 0, 1), (6, 0, 1, 0, 1)]
    places += [(7, 0, 0.5, 0.5, 2), (8, 0, 0, 1, 2), (99, 0, 0, 1, 2)]
    for number, first, second, third, winner in places:
        attention, name = watched.attention_at(number)
        assert [attention[0, 0], attention[6, 6], attention[3, 3]] == [first, second, third]
        assert name == f"object {winner}" or number == 7  # halfway, either is the nearest


def test_a_clip_shorter_than_its_samples_repeats_them() -> None:
    watched = watched_clip(planted((0, 0), (0, 0), (6, 6), (6, 6)), [0, 0, 1, 1])
    assert watched.attention_at(1)[0][6, 6] == 1 and watched.attention_at(0)[0][0, 0] == 1
    assert [watched.seen_at(number) for number in (0, 1)] == [2, 4]


def test_bars_are_as_long_as_the_running_probabilities() -> None:
    """Before the first sampled frame none; then those after the frames seen, in the order of the end: run, jump."""
    watched = watched_clip(planted((0, 0), (0, 0)), [1, 3])
    for number, run, jump in [(0, 0, 0), (1, 0.1, 0.9), (2, 0.1, 0.9), (3, 0.8, 0.2)]:
        panel = compose(np.zeros((384, 384, 3), np.uint8), number, watched)[:, 384:]
        for y, probability in ((46 + 27, run), (46 + 48 + 27, jump)):
            filled = (panel[y, 18:-18].sum(axis=1) > 300).mean()
            assert filled == pytest.approx(probability, abs=0.01)


def test_uniform_attention_does_not_glow_and_a_peak_does() -> None:
    black = np.zeros((224, 224, 3), np.uint8)
    uniform, peak = np.full((1, 7, 7), 1 / 49), planted((3, 3))
    dull = lay_over(black, uniform[0], scale_of(uniform))
    assert dull.max() < 0.5 * lay_over(black, peak[0], scale_of(peak)).max()
    assert len(np.unique(dull.reshape(-1, 3), axis=0)) == 1

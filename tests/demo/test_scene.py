"""Scenes: backwards they have the same frames, true boxes are correct, only the action reveals the order of time."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from tavlad.demo.actions import ACTIONS
from tavlad.demo.scene import HEIGHT, LENGTHS, WIDTH, Scene, calibration_frames, draw_group, draw_scene


def scene(action: int = 0, number: int = 0) -> Scene:
    rng = np.random.default_rng((7, number))
    return draw_scene(rng, draw_group(rng), action)


def signed(drawn: Scene) -> tuple[float, ...]:
    """All quantities whose sign flips when time is reversed."""
    moving = [(*thing.way.step, thing.spin) for thing in (drawn.thing, drawn.distractor)]
    return *moving[0], *moving[1], *drawn.pan.step, drawn.holds[0] - drawn.holds[1]


@pytest.mark.parametrize("action", range(len(ACTIONS)))
def test_backwards_shows_the_same_frames_from_the_end(action: int) -> None:
    drawn = scene(action)
    forwards, backwards = list(drawn.frames(backwards=False)), list(drawn.frames(backwards=True))
    assert len(forwards) == drawn.length
    assert forwards[0].shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(np.stack(backwards), np.stack(forwards[::-1]))
    assert drawn.boxes(backwards=True) == drawn.boxes(backwards=False)[::-1]


def test_the_box_is_where_the_object_is_drawn() -> None:
    for number in range(5):
        drawn = scene(0, number)
        other = dataclasses.replace(drawn, look=dataclasses.replace(drawn.look, gain=0.3))  # a darker fruit
        for time in (0, drawn.length // 2, drawn.length - 1):
            rows, columns = np.nonzero((drawn.frame(time) != other.frame(time)).any(axis=2))
            x0, y0, x1, y1 = drawn.boxes(backwards=False)[time]
            seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            gaps = (seen - (x0, y0, x1, y1)) * (1, 1, -1, -1)
            assert gaps.min() >= 0 and gaps.max() <= 9, gaps  # the difference image lacks the outline's own width


def test_boxes_are_within_the_frame() -> None:
    boxes = np.array([box for number in range(40) for box in scene(0, number).boxes(backwards=False)])
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (WIDTH, HEIGHT)).all()
    assert (boxes[:, 2:] - boxes[:, :2] > 40).all()


def test_the_action_rests_then_rises_then_rests() -> None:
    drawn = dataclasses.replace(scene(), holds=(0.2, 0.1))
    shares = np.linspace(0, 1, 101)
    progress = np.array([drawn.progress(share) for share in shares])
    assert (progress[shares <= 0.2] == 0).all()
    np.testing.assert_allclose(progress[shares >= 0.9], 1)
    assert (np.diff(progress) >= 0).all()
    swapped = dataclasses.replace(drawn, holds=(0.1, 0.2))
    np.testing.assert_allclose([swapped.progress(1 - share) for share in shares], 1 - progress, atol=1e-12)


def test_motion_and_holds_have_the_distribution_of_their_reversal() -> None:
    """Every signed step is as likely as its opposite: means are within four standard errors of zero."""
    drawn = [scene(0, number) for number in range(300)]
    steps = np.array([signed(s) for s in drawn])
    assert (np.abs(steps.mean(axis=0)) < 4 * steps.std(axis=0) / np.sqrt(len(drawn))).all()
    assert (steps.std(axis=0) > 0).all()
    assert {s.length for s in drawn} == set(LENGTHS) and all(length % 2 for length in LENGTHS)


def test_half_way_is_at_half_time() -> None:
    """Reversing time negates a path's step, so at half time the position is the one that was drawn."""
    drawn = scene()
    for way in (drawn.thing.way, drawn.distractor.way, drawn.pan):
        np.testing.assert_allclose(np.add(way.at(0.3), way.at(0.7)), 2 * np.array(way.middle))


def test_calibration_frames_depend_only_on_the_seed_and_need_no_decoder() -> None:
    frames = calibration_frames(3, 5, 128)
    assert frames.shape == (5, 128, 171, 3) and frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, calibration_frames(3, 5, 128))
    np.testing.assert_array_equal(frames[:3], calibration_frames(3, 3, 128))
    assert (frames != calibration_frames(4, 5, 128)).any()
    check = "import sys, tavlad.demo.scene; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0

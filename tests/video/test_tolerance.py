"""What is still trusted: the borders themselves are."""

import pytest

from tavlad.video.batch import Tolerance


@pytest.mark.parametrize(
    ("decoded", "header", "errors", "reason"),
    [
        (100, 100, 0, None),
        (99, 100, 0, None),
        (90, 100, 0, None),
        (89, 100, 0, "the header says 100 frames, only 89 decode"),
        (100, 0, 0, None),
        (100, 60, 0, None),
        (4, 0, 0, "decodes to only 4 frames, fewer than min_frames: 5"),
        (5, 5, 0, None),
        (100, 100, 50, None),
        (100, 100, 51, "the decoder conceals 51 errors in 100 frames, more than damage: 0.5 a frame"),
    ],
)
def test_a_clip_is_trusted_up_to_the_borders(decoded, header, errors, reason):
    assert Tolerance(min_frames=5, missing=0.1, damage=0.5).doubt(decoded, header, errors) == reason


def test_no_damage_may_be_tolerated():
    assert Tolerance(1, 0.0, 0.0).doubt(10, 10, 0) is None
    assert Tolerance(1, 0.0, 0.0).doubt(10, 10, 1) is not None

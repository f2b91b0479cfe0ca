"""Times as people write them, against arithmetic done by hand."""

from fractions import Fraction

import pytest

from tavlad.data.times import in_seconds, milliseconds, to_milliseconds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0", 0),
        ("83.5", 83_500),
        ("83.", 83_000),
        ("1:23.5", 83_500),
        ("0:01:23.500", 83_500),
        ("75:00", 4_500_000),
        ("10:00:00.001", 36_000_001),
        ("12.333333333333334", 12_333),
        ("00:00:09.9996", 10_000),
    ],
)
def test_seconds_and_hours_are_milliseconds(text, time):
    assert milliseconds(text) == time


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "12,5", "1:60", "1:60:00", "::5", "nan", "5 s", "٣", "1:2:3:4", ".5"]
)
def test_what_is_not_a_time_is_quoted(text):
    with pytest.raises(ValueError, match="is not a time") as caught:
        milliseconds(text)
    assert f"'{text}'" in str(caught.value)


@pytest.mark.parametrize(("time", "text"), [(0, "0"), (83_500, "83.5"), (40, "0.04"), (100_000, "100"), (1, "0.001")])
def test_written_times_have_no_zeros_to_spare_and_are_read_again(time, text):
    assert in_seconds(time) == text and milliseconds(text) == time


def test_a_frame_has_the_time_that_people_write_for_it():
    for number, text in enumerate(("0", "0.033", "0.067", "0.1", "0.133")):
        assert to_milliseconds(Fraction(number, 30)) == milliseconds(text)

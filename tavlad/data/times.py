"""Where segments of a video start and end: what people write, and whole milliseconds, which frames are compared by."""

import re
from fractions import Fraction

TIME = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d*)?)", re.ASCII)
FORMS = "seconds (83.5) or h:mm:ss (0:01:23.5)"


def milliseconds(text: str) -> int:
    """The time that `text` says, "83.5", "1:23.5" or "0:01:23.5"; ValueError where it is none of these."""
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no time: write {FORMS}")
    hours, minutes, seconds = match[1], match[2], Fraction(match[3])
    if (minutes and seconds >= 60) or (hours and int(minutes) >= 60):
        raise ValueError(f"'{text}' is no time: a minute has 60 seconds, an hour 60 minutes")
    return to_milliseconds(3600 * int(hours or 0) + 60 * int(minutes or 0) + seconds)


def to_milliseconds(seconds: Fraction) -> int:
    """A time to the nearest millisecond: that of a frame as well, so that 0.067 means one that comes at 2/30 s."""
    return round(seconds * 1000)


def in_seconds(milliseconds: int) -> str:
    """Seconds, "83.5", without zeros at the end."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")

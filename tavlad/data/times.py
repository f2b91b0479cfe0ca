"""Start and end times of segments: parsing, and conversion to whole milliseconds, in which times are compared."""

import re
from fractions import Fraction

TIME = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d*)?)", re.ASCII)
FORMS = "seconds (83.5) or h:mm:ss (0:01:23.5)"


def milliseconds(text: str) -> int:
    """Parse a time such as "83.5", "1:23.5" or "0:01:23.5"; ValueError if it has another form."""
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a time: write {FORMS}")
    hours, minutes, seconds = match[1], match[2], Fraction(match[3])
    if (minutes and seconds >= 60) or (hours and int(minutes) >= 60):
        raise ValueError(f"'{text}' is not a time: a minute has 60 seconds, an hour 60 minutes")
    return to_milliseconds(3600 * int(hours or 0) + 60 * int(minutes or 0) + seconds)


def to_milliseconds(seconds: Fraction) -> int:
    """Round a time to milliseconds; frame times are rounded too, so 0.067 matches a frame at 2/30 s."""
    return round(seconds * 1000)


def in_seconds(milliseconds: int) -> str:
    """Format as seconds without trailing zeros: "83.5"."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")

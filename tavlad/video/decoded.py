"""What decoding one clip gives: the frames, and the facts that prove where they come from."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DecodedClip:
    """T sampled frames, uint8 (T, H, W, 3) RGB and upright, with what was counted and seen on the way.

    `pts` are seconds (nan where the file gives none); `rotation` is the angle, in degrees counter-clockwise, by which
    the file asks to be turned; `header_count` is what the header promises to show, 0 where it says nothing; `width`,
    `height` and `interlaced` are those of the first sampled frame as coded; `corrupt` counts the packets and frames
    that were flagged as damaged, `concealed` the errors that FFmpeg reported and carried on from.
    """

    frames: np.ndarray
    indices: list[int]
    pts: list[float]
    fps: float
    header_count: int
    decoded_count: int
    rotation: int
    width: int
    height: int
    interlaced: bool
    corrupt: int
    concealed: int
    pyav: str
    ffmpeg: str

    def facts(self) -> dict[str, Any]:
        """All but the pixels, in a fixed order."""
        return {name: value for name, value in vars(self).items() if name != "frames"}

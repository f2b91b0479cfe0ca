"""How much of a clip may be missing or damaged; apart from what decides its frames, for it only judges them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """The fewest frames; the share of the header's frames that may be `missing`; the errors that the decoder may
    conceal, or flag, for each frame that decodes (`damage`)."""

    min_frames: int
    missing: float
    damage: float

    def doubt(self, decoded: int, header: int, errors: int) -> str | None:
        """Why a clip cannot be trusted of which so many frames decode, are in the header, and so many errors; or None.

        A `header` of 0 says nothing.
        """
        if decoded < self.min_frames:
            return f"only {decoded} frames decode, fewer than min_frames: {self.min_frames}"
        if decoded < (1 - self.missing) * header:
            return f"the header says {header} frames, only {decoded} decode"
        if errors > self.damage * decoded:
            most = f"damage: {self.damage:g} a frame"
            return f"the decoder conceals {errors} errors in {decoded} frames, more than {most}"
        return None

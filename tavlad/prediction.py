"""What a model says of one clip: `import tavlad` loads it, so it imports nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """All classes of the video `path`, the most probable first, with probability and logit; or an `error` instead."""

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    logits: tuple[float, ...] = ()
    error: str = ""

"""The result of predicting one clip; without slow imports, because `import tavlad` loads this module."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """All classes for the video `path`, most probable first, with probabilities and logits; or an `error`."""

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    logits: tuple[float, ...] = ()
    error: str = ""

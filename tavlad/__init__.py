"""TA-VLAD: top-down attention recurrent VLAD for action recognition."""

from importlib import import_module
from os import PathLike

from tavlad.prediction import Prediction


def predict(path: str | PathLike[str], model: str | PathLike[str], device: str = "auto") -> Prediction:
    """What the model of stage 2 in `model`, such as data/stage2/split1, says of a video file; InputError if it cannot.

    It is loaded once, and kept until another is named; `device` is auto, cpu or cuda.
    """
    # by name: stages load this package and depend on all that it imports, and torch takes seconds
    said: Prediction = import_module("tavlad.learning.prediction").predict_file(path, model, device)
    return said

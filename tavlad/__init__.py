"""TA-VLAD: top-down attention recurrent VLAD for action recognition."""

from importlib import import_module
from os import PathLike

from tavlad.prediction import Prediction


def predict(path: str | PathLike[str], model: str | PathLike[str], device: str = "auto") -> Prediction:
    """Classify a video file with the stage-2 model in `model`, such as data/stage2/split1; InputError if it cannot.

    The model is loaded once and kept until another one is given; `device` is auto, cpu or cuda.
    """
    # imported late: stages import this package, whose imports are in their keys, and torch takes seconds to load
    said: Prediction = import_module("tavlad.learning.prediction").predict_file(path, model, device)
    return said

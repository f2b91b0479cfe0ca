"""The accuracy on the validation part."""

import threading

import numpy as np
import torch
from torch import nn

from tavlad.data.table import Examples
from tavlad.learning.validation import validator


def test_the_validator_counts_hits():
    scores = {"a": torch.tensor([1.0, 2.0]).numpy(), "b": torch.tensor([3.0, 2.0]).numpy()}
    net = nn.Identity()
    assert validator(net, Examples(("a", "b"), (1, 1)), scores.__getitem__, np.negative, 2)() == 0.5
    assert validator(net, Examples(("b", "a"), (0, 1)), scores.__getitem__, np.asarray, 0)() == 1.0
    assert validator(net, Examples((), ()), scores.__getitem__, np.asarray, 2) is None


def test_the_validator_reads_while_the_model_scores():
    """Else a GPU would wait for every clip."""
    read = {clip: threading.Event() for clip in "abc"}

    def scores(clip):
        following = {"a": "b", "b": "c"}.get(clip)
        assert following is None or read[following].wait(30), f"{following} was not read while {clip} was scored"
        return np.array([0.0, 1.0])

    def noted(clip):
        read[clip].set()
        return clip

    assert validator(nn.Identity(), Examples(tuple("abc"), (1, 1, 0)), noted, scores, 1)() == 2 / 3

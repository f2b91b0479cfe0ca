"""Errors that a user can mend, in plain words with the next step; apart from what decides values."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

GPU_WORDS = re.compile(
    r"CUDA (driver |unknown )?error|CUDA out of memory|cuDNN (Frontend )?error|CU(BLAS|DNN)_STATUS_|device-side assert"
    r"|unable to find an engine|valid cuDNN algorithm"  # what cuDNN says when no workspace fits
)
MEMORY_WORDS = re.compile("out of memory|STATUS_ALLOC_FAILED")


class TavladError(Exception):
    """Everything that went wrong in one run: a title, `(name, reason)` rows, and advice, which is the next step."""

    def __init__(self, title: str, rows: Sequence[tuple[str, str]] = (), advice: str = ""):
        named = "; ".join(f"{name}: {reason}" for name, reason in rows)
        super().__init__(f"{title}: {named}" if rows else title)
        self.title, self.rows, self.advice = title, rows, advice


class InputError(TavladError, ValueError):
    """What the user gave is wrong: params.yaml, the data set, a list, weights, a video."""


def is_gpu_failure(error: BaseException) -> bool:
    """Whether the GPU itself failed, out of memory or broken, and not what was computed on it."""
    import torch  # stage check raises errors too, and must not wait for torch

    if isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(error, RuntimeError) and GPU_WORDS.search(str(error)) is not None


@contextmanager
def gpu_explained(lower: str) -> Iterator[None]:
    """Turn a GPU's failure into a TavladError that says what to do; all else passes through.

    `lower` names the parameters that memory depends on, such as "extract.batch".
    """
    try:
        yield
    except RuntimeError as error:
        if not is_gpu_failure(error):
            raise
        raise TavladError(_explanation(error, lower)) from error


def _explanation(error: RuntimeError, lower: str) -> str:
    lines = str(error).splitlines()
    # an error of another thread or process begins with where it was caught
    said = next(filter(GPU_WORDS.search, lines), lines[0] if lines else type(error).__name__)
    words = textwrap.shorten(said.rstrip("."), 200)
    what, step = "failed", "This process cannot use it any more: run the stage again; if it happens again, lower"
    if "OutOfMemory" in type(error).__name__ or MEMORY_WORDS.search(said):
        what, step = "ran out of memory", "Lower"
    return f"the GPU {what}: {words}. {step} {lower} in params.yaml, or set device: cpu; all finished work is kept."

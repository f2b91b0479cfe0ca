"""Errors that a user can fix, with the next step. Part of no key, so messages can change freely."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

GPU_WORDS = re.compile(
    r"CUDA (driver |unknown )?error|CUDA out of memory|cuDNN (Frontend )?error|CU(BLAS|DNN)_STATUS_|device-side assert"
    r"|unable to find an engine|valid cuDNN algorithm"  # cuDNN's messages when no workspace fits in memory
)
MEMORY_WORDS = re.compile("out of memory|STATUS_ALLOC_FAILED")


class TavladError(Exception):
    """Everything that went wrong in one run: a title, `(name, reason)` rows, and advice on the next step."""

    def __init__(self, title: str, rows: Sequence[tuple[str, str]] = (), advice: str = ""):
        named = "; ".join(f"{name}: {reason}" for name, reason in rows)
        super().__init__(f"{title}: {named}" if rows else title)
        self.title, self.rows, self.advice = title, rows, advice


class InputError(TavladError, ValueError):
    """Invalid input from the user: params.yaml, the data set, a list, weights, a video."""


def is_gpu_failure(error: BaseException) -> bool:
    """Whether the GPU itself failed (out of memory, or a fault), rather than the computation on it."""
    import torch  # stage check uses this module too, and should not wait for torch to load

    if isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(error, RuntimeError) and GPU_WORDS.search(str(error)) is not None


@contextmanager
def gpu_explained(lower: str) -> Iterator[None]:
    """Turn GPU failures into a TavladError with the next step; other errors pass through.

    `lower` names the parameters that determine memory use, such as "extract.batch".
    """
    try:
        yield
    except RuntimeError as error:
        if not is_gpu_failure(error):
            raise
        raise TavladError(_explanation(error, lower)) from error


def _explanation(error: RuntimeError, lower: str) -> str:
    lines = str(error).splitlines()
    # an error from another thread or process starts with where it was caught
    said = next(filter(GPU_WORDS.search, lines), lines[0] if lines else type(error).__name__)
    words = textwrap.shorten(said.rstrip("."), 200)
    what, step = "failed", "This process can no longer use it: run the stage again; if it fails again, lower"
    if "OutOfMemory" in type(error).__name__ or MEMORY_WORDS.search(said):
        what, step = "ran out of memory", "Lower"
    return f"the GPU {what}: {words}. {step} {lower} in params.yaml, or set device: cpu; all finished work is kept."

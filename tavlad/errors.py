"""Failures of the machine in plain words, with the next step; apart from what decides values."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import click
import torch

GPU_WORDS = re.compile(
    r"CUDA (driver |unknown )?error|CUDA out of memory|cuDNN (Frontend )?error|CU(BLAS|DNN)_STATUS_|device-side assert"
    r"|unable to find an engine|valid cuDNN algorithm"  # what cuDNN says when no workspace fits
)
MEMORY_WORDS = re.compile("out of memory|STATUS_ALLOC_FAILED")


def is_gpu_failure(error: BaseException) -> bool:
    """Whether the GPU itself failed, out of memory or broken, and not what was computed on it."""
    if isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(error, RuntimeError) and GPU_WORDS.search(str(error)) is not None


@contextmanager
def gpu_explained(lower: str) -> Iterator[None]:
    """Turn a GPU's failure into a click.ClickException that says what to do; all else passes through.

    `lower` names the parameters that memory depends on, such as "extract.batch".
    """
    try:
        yield
    except RuntimeError as error:
        if not is_gpu_failure(error):
            raise
        raise click.ClickException(_explanation(error, lower)) from error


def _explanation(error: RuntimeError, lower: str) -> str:
    lines = str(error).splitlines()
    # an error of another thread or process begins with where it was caught
    said = next(filter(GPU_WORDS.search, lines), lines[0] if lines else type(error).__name__)
    words = textwrap.shorten(said.rstrip("."), 200)
    what, step = "failed", "This process cannot use it any more: run the stage again; if it happens again, lower"
    if isinstance(error, torch.OutOfMemoryError) or MEMORY_WORDS.search(said):
        what, step = "ran out of memory", "Lower"
    return f"the GPU {what}: {words}. {step} {lower} in params.yaml, or set device: cpu; all finished work is kept."

"""Where tensors are computed, and how exactly."""

import os
from contextlib import AbstractContextManager

import torch


def choose(name: str) -> torch.device:
    """The device of parameter `device`: "auto" is cuda where there is one; "cuda" without one is a ValueError."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch sees no GPU: set device: auto, or install a CUDA build of torch")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """bfloat16 autocast where `precision` is "bfloat16"; what must stay exact leaves it (tavlad.model.precision)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def make_deterministic() -> None:
    """Same bytes on every run on CUDA too, at some cost in speed; an operation that has no such form is an error."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False

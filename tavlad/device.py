"""Where tensors are computed, and how exactly."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Speed:
    """What moves speed, and at most the rounding of sums: where tensors are, how many workers read ahead; and what the
    progress bar says."""

    device: torch.device
    workers: int
    label: str


def choose(name: str) -> torch.device:
    """The device of parameter `device`: "auto" is cuda where there is one; "cuda" without one is a ValueError.

    From then on float32 is float32 on it: no product is made in TF32, which has the mantissa of float16.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch sees no GPU: set device: auto, or install a CUDA build of torch")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        # for the whole process: backward passes ask again, and cuDNN's default for convolutions and GRUs is TF32
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


def precision(name: str, device: torch.device) -> str:
    """What parameter `precision` means on `device`: "auto" is "bfloat16" where there are instructions for it.

    Elsewhere bfloat16 is emulated: on a CPU with AVX2 alone, convolutions take seven times longer than in float32.
    """
    if name != "auto":
        return name
    return "bfloat16" if _computes_bfloat16(device) else "float32"


def autocast(device: torch.device, name: str) -> AbstractContextManager[None]:
    """bfloat16 autocast if `precision` gives that; what must stay exact leaves it (tavlad.model.precision)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision(name, device) == "bfloat16")


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if hasattr(torch.cpu, "get_capabilities"):  # not before torch 2.11
        found = torch.cpu.get_capabilities()
        return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def make_deterministic() -> None:
    """Same bytes on every run on CUDA too, at some cost in speed; an operation that has no such form is an error."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # to fill each new tensor costs time, and only shows in code that reads what it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # added to it at run time
    torch.backends.cudnn.benchmark = False

"""Where tensors are computed, and how exactly."""

import os
import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from tavlad.errors import InputError

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Speed:
    """What moves speed, and at most the rounding of sums: where tensors are, how many workers read ahead; and what the
    progress bar says."""

    device: torch.device
    workers: int
    label: str


def choose(name: str) -> torch.device:
    """The device of parameter `device`: "auto" is cuda where there is one; "cuda" without one is an InputError.

    From then on float32 is float32 on it: no product is made in TF32, which has the mantissa of float16.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but torch sees no GPU: set device: auto, or install a CUDA build of torch")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        # for the whole process: backward passes ask again, and cuDNN's default for convolutions and GRUs is TF32
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


def precision(name: str, device: torch.device) -> str:
    """What parameter `precision` means on `device`: "auto" is "bfloat16" where there are fast instructions for it.

    On x86 these are AMX, and AVX512-BF16 of AMD: on an Intel that has the latter alone, float32 is faster.
    Without instructions bfloat16 is emulated: on a CPU with AVX2 alone, convolutions take seven times longer.
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
    found = _capabilities()
    if any(found.get(name, False) for name in ("amx_bf16", "bf16", "sve_bf16")):
        return True
    return bool(found.get("avx512_bf16", False)) and "AuthenticAMD" in _processor()


def _capabilities() -> Mapping[str, bool]:
    """The instructions of this processor by name: "amx_bf16", "avx512_bf16" on x86, "bf16", "sve_bf16" on ARM."""
    if hasattr(torch.cpu, "get_capabilities"):  # not before torch 2.11
        found: Mapping[str, bool] = torch.cpu.get_capabilities()
        return found
    if platform.machine().lower() in ("x86_64", "amd64"):  # there the last question is one for AVX-512
        amx, avx512 = torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()
        return {"amx_bf16": amx, "avx512_bf16": avx512}
    return {"bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported()}


def _processor() -> str:
    """What holds the name of this processor's maker; one that hides it is not taken for AMD's."""
    try:
        with open(CPUINFO, encoding="utf-8", errors="replace") as file:
            return file.read(1000)  # of the first core
    except OSError:
        return platform.processor()  # Windows: "AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD"


def make_deterministic() -> None:
    """Same bytes on every run on CUDA too, at some cost in speed; an operation that has no such form is an error."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, which loads a compiler: a second
    # to fill each new tensor costs time, and only shows in code that reads what it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # added to it at run time
    torch.backends.cudnn.benchmark = False

"""Device, precision and determinism of the computation."""

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
    """Settings that affect speed and, at most, the rounding of sums: the device, the number of loader processes, and
    the label of the progress bar."""

    device: torch.device
    workers: int
    label: str


def choose(name: str) -> torch.device:
    """The device for parameter `device`: "auto" means cuda if available; "cuda" without a GPU is an InputError.

    Also disables TF32, whose mantissa is as short as that of float16, so that float32 means float32 on a GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but torch finds no GPU: set device: auto, or install a CUDA build of torch")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        # set for the whole process: backward passes read it too, and cuDNN uses TF32 by default
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


def precision(name: str, device: torch.device) -> str:
    """Resolve parameter `precision` on `device`: "auto" means "bfloat16" if the device has fast instructions for it.

    On x86 these are AMX, and AVX512-BF16 on AMD only: on Intel CPUs without AMX, float32 is faster. Without such
    instructions bfloat16 is emulated: on a CPU with AVX2 only, convolutions take seven times longer.
    """
    if name != "auto":
        return name
    return "bfloat16" if _computes_bfloat16(device) else "float32"


def autocast(device: torch.device, name: str) -> AbstractContextManager[None]:
    """bfloat16 autocast, enabled if `precision` resolves to bfloat16; tavlad.model.precision has the exceptions."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision(name, device) == "bfloat16")


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = _capabilities()
    if any(found.get(name, False) for name in ("amx_bf16", "bf16", "sve_bf16")):
        return True
    return bool(found.get("avx512_bf16", False)) and "AuthenticAMD" in _processor()


def _capabilities() -> Mapping[str, bool]:
    """The CPU's bfloat16 instructions by name: "amx_bf16", "avx512_bf16" on x86, "bf16", "sve_bf16" on ARM."""
    if hasattr(torch.cpu, "get_capabilities"):  # new in torch 2.11
        found: Mapping[str, bool] = torch.cpu.get_capabilities()
        return found
    if platform.machine().lower() in ("x86_64", "amd64"):  # on x86, the check below would test for AVX-512
        amx, avx512 = torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()
        return {"amx_bf16": amx, "avx512_bf16": avx512}
    return {"bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported()}


def _processor() -> str:
    """A text that contains the name of the CPU's vendor; a CPU that hides it does not count as AMD's."""
    try:
        with open(CPUINFO, encoding="utf-8", errors="replace") as file:
            return file.read(1000)  # the first core
    except OSError:
        return platform.processor()  # Windows: "AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD"


def make_deterministic() -> None:
    """Make CUDA deterministic, at some cost in speed; operations without a deterministic version raise an error."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms also loads a compiler, which takes 1 s
    # filling new tensors costs time, and matters only to code that reads uninitialised memory
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # added to it at run time
    torch.backends.cudnn.benchmark = False

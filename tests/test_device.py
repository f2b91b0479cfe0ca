"""Device, precision and determinism, and the messages of a failing GPU."""

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tavlad import device as devices
from tavlad import errors
from tavlad.errors import TavladError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_an_explicit_precision_is_used_as_given(name: str) -> None:
    assert devices.precision(name, CPU) == name


INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n"
NAMELESS = "processor\t: 0\nBogoMIPS\t: 48.00\n"  # as on ARM
RULE = [
    (INTEL, {"avx2": True}, "float32"),
    (INTEL, {"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, "float32"),
    (INTEL, {"avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
    (AMD, {"avx2": True, "avx512_f": True, "avx512_bf16": False}, "float32"),
    (AMD, {"avx512_bf16": True}, "bfloat16"),
    (NAMELESS, {"avx512_bf16": True}, "float32"),
    (NAMELESS, {"amx_bf16": True}, "bfloat16"),
    (NAMELESS, {"bf16": True}, "bfloat16"),
    (NAMELESS, {"sve_bf16": True}, "bfloat16"),
    (NAMELESS, {"neon": True}, "float32"),
]


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that replaces /proc/cpuinfo by `text`."""

    def become(text: str) -> None:
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(devices, "CPUINFO", tmp_path / "cpuinfo")

    return become


@pytest.mark.parametrize(("cpuinfo", "capabilities", "expected"), RULE)
def test_auto_means_bfloat16_only_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch,
    processor: Callable[[str], None],
    cpuinfo: str,
    capabilities: dict[str, bool],
    expected: str,
) -> None:
    processor(cpuinfo)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert devices.precision("auto", CPU) == expected
    with devices.autocast(CPU, "auto"):
        assert torch.is_autocast_enabled("cpu") == (expected == "bfloat16")


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "amx", "avx512_bf16", "expected"),
    [
        ("x86_64", INTEL, True, True, "bfloat16"),
        ("x86_64", INTEL, False, True, "float32"),
        ("AMD64", AMD, False, True, "bfloat16"),
        ("AMD64", AMD, False, False, "float32"),
        ("aarch64", NAMELESS, False, False, "bfloat16"),
    ],
)
def test_the_rule_is_the_same_with_a_torch_that_lists_no_capabilities(
    monkeypatch: pytest.MonkeyPatch,
    processor: Callable[[str], None],
    machine: str,
    cpuinfo: str,
    amx: bool,
    avx512_bf16: bool,
    expected: str,
) -> None:
    processor(cpuinfo)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)  # on x86 with any AVX-512
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert devices.precision("auto", CPU) == expected


@pytest.mark.parametrize(("name", "expected"), [("AMD64 Family 25, AuthenticAMD", "bfloat16"), ("", "float32")])
def test_without_a_cpuinfo_the_platform_names_the_maker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, expected: str
) -> None:
    monkeypatch.setattr(devices, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(platform, "processor", lambda: name)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert devices.precision("auto", CPU) == expected


def test_cuda_without_a_gpu_is_an_error_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="set device: auto"):
        devices.choose("cuda")
    assert devices.choose("auto") == CPU


@pytest.fixture
def fast_and_loose(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allow TF32 and the fastest kernels; restore the settings afterwards."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    matmul, deterministic = torch.backends.cuda.matmul, torch.are_deterministic_algorithms_enabled()
    before, matmul.allow_tf32 = matmul.allow_tf32, True
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        yield
    matmul.allow_tf32 = before
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.usefixtures("fast_and_loose")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_on_a_gpu_float32_does_not_mean_tf32(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.choose("cpu") == CPU
    assert torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32
    assert devices.choose(name) == torch.device("cuda")
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.usefixtures("fast_and_loose")
def test_deterministic_neither_selects_kernels_nor_fills_new_tensors() -> None:
    devices.make_deterministic()
    assert torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.backends.cudnn.benchmark and os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        torch.empty(1000)
    assert not any("fill" in event.key for event in seen.key_averages())


ADDRESS = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"
ASSERT = "CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`"
TAIL = " GPU 0 has a total capacity of 7.79 GiB of which 1.06 GiB is free." + 40 * " Of it much is." + "\nBacktrace"
MEMORY = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB." + TAIL), "Tried to allocate 2.00 GiB"),
    (torch.cuda.OutOfMemoryError(), "OutOfMemoryError"),
    (torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors"), "CUDA error: out of memory"),
    (RuntimeError("CUDA out of memory. Tried to allocate 2 MiB"), "2 MiB"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "cublasCreate"),
    (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "CUDNN_STATUS_ALLOC_FAILED"),
    (
        RuntimeError(
            "Caught RuntimeError in pin memory thread for device 0.\nOriginal Traceback (most recent call last):\n"
            "RuntimeError: CUDA error: out of memory\n"
        ),
        "memory: RuntimeError: CUDA error: out of memory",
    ),
]
BROKEN = [
    (torch.AcceleratorError(ADDRESS), "illegal memory access was encountered. This"),
    (torch.AcceleratorError("no kernel image"), "no kernel image"),
    (RuntimeError(ASSERT), "device-side assert triggered. This"),
    (RuntimeError("an assertion was seen: device-side assert"), "device-side assert. This"),
    (RuntimeError("CUDA driver error: invalid argument"), "CUDA driver error: invalid argument. This"),
    (RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment."), "environment. This"),
    (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), "CUDNN_STATUS_INTERNAL_ERROR. This"),
    (RuntimeError("cuDNN Frontend error: no valid execution plans"), "no valid execution plans. This"),
    (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), "`cublasSgemm`. This"),
    (RuntimeError("CUDNN_STATUS_MAPPING_ERROR"), "CUDNN_STATUS_MAPPING_ERROR. This"),
    (RuntimeError("GET was unable to find an engine to execute this computation"), "computation. This"),
    (RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"), "run convolution. This"),
]
OTHERS = [
    ValueError("CUDA error: said by someone else"),
    RuntimeError("size mismatch"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    RuntimeError("Deterministic behavior was enabled, but you have CUDA >= 10.2: set CUBLAS_WORKSPACE_CONFIG=:4096:8"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    MemoryError("CUDA out of memory"),
    KeyboardInterrupt(),
]


def explained(error: BaseException) -> str:
    with pytest.raises(TavladError) as found, errors.gpu_explained("extract.batch"):
        raise error
    assert found.value.__cause__ is error
    return str(found.value)


@pytest.mark.parametrize(("error", "words"), MEMORY)
def test_out_of_gpu_memory_says_what_to_lower(error: RuntimeError, words: str) -> None:
    assert errors.is_gpu_failure(error)
    message = explained(error)
    assert message.startswith("the GPU ran out of memory: ") and words in message
    assert message.endswith(". Lower extract.batch in params.yaml, or set device: cpu; all finished work is kept.")
    assert len(message) < 320 and "\n" not in message and ".." not in message.replace(" [...]. Lower", "")


@pytest.mark.parametrize(("error", "words"), BROKEN)
def test_a_broken_gpu_says_to_run_again(error: RuntimeError, words: str) -> None:
    assert errors.is_gpu_failure(error)
    message = explained(error)
    assert message.startswith("the GPU failed: ") and words in message and "run the stage again" in message
    assert message.endswith("lower extract.batch in params.yaml, or set device: cpu; all finished work is kept.")
    assert "\n" not in message


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_all_other_errors_pass_through(error: BaseException) -> None:
    assert not errors.is_gpu_failure(error)
    with pytest.raises(type(error)) as found, errors.gpu_explained("extract.batch"):
        raise error
    assert found.value is error


def test_an_explained_error_is_not_explained_again() -> None:
    with errors.gpu_explained("stage2.batch"):
        assert "Lower extract.batch" in explained(torch.OutOfMemoryError("CUDA out of memory."))

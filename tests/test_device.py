"""Where and how exactly things are computed."""

import pytest
import torch

from tavlad import device as devices

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_named_precision_is_taken_at_its_word(name: str) -> None:
    assert devices.precision(name, CPU) == name


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx2": True}, "float32"), ({"avx512_f": True, "avx512_bf16": True}, "bfloat16"), ({"bf16": True}, "bfloat16")],
)
def test_auto_takes_bfloat16_only_where_the_machine_computes_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert devices.precision("auto", CPU) == expected
    with devices.autocast(CPU, "auto"):
        assert torch.is_autocast_enabled("cpu") == (expected == "bfloat16")


def test_cuda_without_a_gpu_is_an_error_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="set device: auto"):
        devices.choose("cuda")
    assert devices.choose("auto") == CPU

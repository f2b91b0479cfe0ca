"""Layers without gradients run folded: same values and gradients, never stale, not in the checkpoint."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tavlad.learning.checkpoints import Facts, load_checkpoint, save_checkpoint
from tavlad.learning.fitting import PARTS, Schedule, adam, select
from tavlad.learning.inference import class_scores
from tavlad.model.backbone import Backbone, memory_layout
from tavlad.model.resnet import Convolution
from tavlad.model.tavlad import TAVLAD
from tests.models import small_model

ATTENTIONS = ("joint", "decoupled", "none")
PLAN = Schedule(epochs=1, lr=0.1, lr_head=0.1, halve_every=1, micro_batch=2, clip=0.0, eps=1e-8, weight_decay=0.0)
CPU = torch.device("cpu")


def build(**changes: str) -> TAVLAD:
    """A model whose batch-norms have random statistics and weights, unlike those of a new network."""
    model = small_model(3, 0, backbone=True, dropout=0.0, **changes)
    shake(model)
    return model


@torch.no_grad()
def shake(model: TAVLAD, seed: int = 1) -> None:
    draw = torch.Generator().manual_seed(seed)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.running_var):
            tensor.copy_(torch.rand(tensor.shape, generator=draw) * 0.5 + 0.5)
        for tensor in (norm.bias, norm.running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=draw) * 0.2)


def frames(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


def unfolded_maps(model: TAVLAD, images: Tensor) -> tuple[Tensor, Tensor]:
    """The maps for VLAD and for the attention, computed with every batch-norm in place."""
    backbone = model.backbone
    x = nn.Sequential(*list(backbone.children())[:-1])(images.flatten(0, 1))
    maps, seen = (
        backbone.last_maps(layer4, x).unflatten(0, images.shape[:2])
        for layer4 in (backbone.layer4, model.attention_layer4 or backbone.layer4)
    )
    return maps, seen


def unfolded(model: TAVLAD, images: Tensor) -> Tensor:
    return model.classify(*unfolded_maps(model, images))


def gradients(model: TAVLAD, logits: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("attention", "features"), [("joint", "relu"), ("decoupled", "pre_relu"), ("none", "relu")])
def test_logits_and_gradients_are_those_of_the_unfolded_model(attention: str, features: str) -> None:
    model = build(attention=attention, features=features).double().train()
    select(model, PARTS)
    images = frames(torch.float64)
    expected = unfolded(model, images)
    reference = gradients(model, expected)
    found = model(images)
    trained = gradients(model, found)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert trained.keys() == reference.keys() and any("layer4" in name for name in trained)
    for name, gradient in reference.items():
        torch.testing.assert_close(trained[name], gradient, rtol=1e-8, atol=1e-10 * float(gradient.abs().max()))
    with torch.no_grad():
        torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("precision", "bound"), [("float32", 2e-5), ("bfloat16", 0.03)])
def test_folding_changes_maps_only_by_rounding(precision: str, bound: float) -> None:
    model = build(attention="decoupled", features="pre_relu")
    images = frames()
    with torch.no_grad():
        expected = unfolded_maps(model, images)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            found = model.maps_of(images)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= bound * other.abs().max()


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_batch_norm_runs_only_in_layer_4_and_only_in_training(attention: str) -> None:
    model, ran = build(attention=attention), set()
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda *_, name=name: ran.add(name))
    with torch.no_grad():
        model(frames())
    assert ran == set()
    model(frames())
    assert len(ran) == 7 and all(name.startswith("backbone.layer4.") for name in ran)


def replaced(model: TAVLAD) -> None:
    other = build(attention="decoupled")
    shake(other, 9)
    model.load_state_dict(other.state_dict())


def stepped(model: TAVLAD) -> None:
    optimiser = adam(select(model, PARTS), PLAN)
    nn.functional.cross_entropy(model(frames()), torch.tensor([0, 1])).backward()
    optimiser.step()


def there_and_back(model: TAVLAD) -> None:
    model.half()
    shake(model.float(), 9)


CHANGES = [replaced, stepped, there_and_back, lambda model: shake(model, 9), lambda model: shake(copy.deepcopy(model))]


@pytest.mark.parametrize("change", CHANGES, ids=["loaded", "stepped", "to and fro", "in place", "only a copy"])
def test_a_folded_copy_is_never_stale(change: Callable[[TAVLAD], None]) -> None:
    model = build(attention="decoupled")
    with torch.no_grad():
        model(frames())
    change(model)
    with torch.no_grad():
        fresh = build(attention="decoupled")
        fresh.load_state_dict(model.state_dict())
        assert torch.equal(model(frames()), fresh(frames()))
        torch.testing.assert_close(model(frames()), unfolded(model, frames()), rtol=1e-3, atol=1e-4)
        assert model.double()(frames(torch.float64)).dtype == torch.float64


def test_folded_copies_are_not_in_the_state_and_need_no_graph() -> None:
    model = build(attention="decoupled")
    names = list(model.state_dict())
    logits = model(frames())
    assert list(model.state_dict()) == names
    assert [name for name in names if name.startswith("backbone.")] == [
        f"backbone.{name}" for name in Backbone("resnet34", pre_relu=False).state_dict()
    ]
    model.backbone.requires_grad_(True)
    assert not any(name.startswith(("backbone.conv1", "backbone.layer3")) for name in gradients(model, logits))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_validation_during_training_equals_that_of_the_checkpoint_bit_for_bit(tmp_path: Path, precision: str) -> None:
    model = build(attention="decoupled")
    model.to(memory_format=torch.channels_last)
    stepped(model)
    model.eval()
    save_checkpoint(tmp_path / "model.safetensors", model, Facts(("a", "b", "c"), precision, "recipe", 2, 40, 32, 95))
    stored = np.random.default_rng(3).integers(0, 256, (2, 40, 48, 3), dtype=np.uint8)
    loaded, _ = load_checkpoint(tmp_path)
    with torch.inference_mode():  # a copy made here must work in training as well
        class_scores(loaded, stored, 32, precision, CPU)
    first, second = (class_scores(one, stored, 32, precision, CPU) for one in (model, loaded))
    np.testing.assert_array_equal(first, second)
    stepped(loaded)


def test_layer_4_uses_the_faster_memory_format() -> None:
    assert memory_layout(CPU, torch.float32, "resnet34") == torch.contiguous_format
    assert memory_layout(CPU, torch.float32, "efficientnet_lite0") == torch.channels_last  # depthwise
    assert memory_layout(CPU, torch.bfloat16, "resnet34") == torch.channels_last
    assert memory_layout(torch.device("cuda"), torch.float32, "resnet34") == torch.channels_last


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (2, 1, 0)])
def test_the_weight_gradient_as_a_product_equals_that_of_the_convolution(
    kernel: int, stride: int, padding: int, layout: torch.memory_format
) -> None:
    draw = torch.Generator().manual_seed(4)
    x = torch.randn(3, 5, 7, 9, generator=draw, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    weight = torch.randn(4, 5, kernel, kernel, generator=draw, dtype=torch.float64).requires_grad_()
    expected = nn.functional.conv2d(x, weight, None, stride, padding)
    found = Convolution.apply(x, weight, (stride, stride), (padding, padding))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    pull = torch.randn(expected.shape, generator=draw, dtype=torch.float64)
    for one, other in zip(*(torch.autograd.grad(y, (x, weight), pull) for y in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_bfloat16_gradients_are_as_close_to_float32_as_those_of_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = build(attention="none", features="pre_relu").to(memory_format=torch.channels_last), frames()
    select(model, ["layer4"])
    exact = gradients(model, model(images))
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(model, model(images))
        monkeypatch.setattr(Convolution, "apply", lambda x, *rest: nn.functional.conv2d(x, rest[0], None, *rest[1:]))
        theirs = gradients(model, model(images))
    for name, gradient in exact.items():
        error, of_theirs = ((one[name] - gradient).norm() for one in (found, theirs))
        assert 0 < error <= 1.05 * of_theirs + 0.01 * gradient.norm()

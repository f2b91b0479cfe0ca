"""No subnormal numbers, and a bound on the error: compared with softmax in loops, and with an infinite reach."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from tavlad.model import attention, precision, vlad
from tavlad.model.precision import flush_to_zero, softmax_within
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD
from tavlad.model.vlad import VLAD
from tests.models import SETTINGS

K, C, LEAST = 16, 512, math.exp(-69)


def normal(x: Tensor) -> bool:
    """Whether `x` is free of subnormal numbers."""
    sizes = x.detach().abs()
    return not bool(((sizes > 0) & (sizes < torch.finfo(x.dtype).tiny)).any())


def loops(logits: np.ndarray, reach: float) -> np.ndarray:
    """Softmax over the rows of logits (K, N), one location at a time, 0 below the reach."""
    made = np.zeros_like(logits)
    for n in range(logits.shape[1]):
        kept = [k for k in range(len(logits)) if logits[k, n] >= logits[:, n].max() - reach]
        terms = [math.exp(logits[k, n] - logits[:, n].max()) for k in kept]
        made[kept, n] = np.array(terms) / math.fsum(terms)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax_and_its_gradient_are_exactly_zero_out_of_reach(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = (-200 * torch.rand(9, 40, dtype=dtype)).requires_grad_()
    made = softmax_within(logits, 0, 69.0)
    np.testing.assert_allclose(made.detach(), loops(logits.detach().numpy(), 69.0), rtol=1e-5)
    far = logits < logits.amax(dim=0) - 69
    assert far.any() and bool((made[far] == 0).all()) and bool((made[~far] > 0).all())
    toward = torch.randn_like(made) * 1e-3
    (made * toward).sum().backward()
    assert logits.grad is not None and bool((logits.grad[far] == 0).all()) and normal(logits.grad)
    a = loops(logits.detach().double().numpy(), 69.0)
    expected = a * (toward.numpy() - (a * toward.numpy()).sum(axis=0))
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-3, atol=1e-9 if dtype == torch.float32 else 1e-18)


@pytest.mark.parametrize("reach", [0.0, 1.0, 5.0, 20.0])
def test_softmax_changes_by_no_more_than_the_bound(reach: float) -> None:
    torch.manual_seed(1)
    logits = -4 * reach * torch.rand(9, 500, dtype=torch.float64)
    logits[1:, 0], logits[0, 0] = -reach - 1e-9, 0  # the worst case: all but one just out of reach
    moved = (softmax_within(logits, 0, reach) - logits.softmax(dim=0)).abs().sum(dim=0)
    assert moved.max() <= 2 * 8 * math.exp(-reach) + 1e-14  # rounding
    assert reach == 0 or moved[0] > math.exp(-reach)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_values_stay_non_finite(value: float) -> None:
    for fill in ([value], [value] * 3):
        logits = torch.tensor([*fill, *[0.0] * (3 - len(fill))])
        assert torch.equal(softmax_within(logits, 0, 69.0).isnan(), logits.softmax(dim=0).isnan())
    flushed = flush_to_zero(torch.tensor([value, 1.0]) - 0)
    assert flushed[0] == value or (math.isnan(value) and flushed[0].isnan())


def test_gradients_pass_through_a_flush_to_zero() -> None:
    x = torch.tensor([1e-31, -1e-39, 0.0, 2e-30, -1.0], requires_grad=True)
    flushed = flush_to_zero(x * 1 + 0)
    assert torch.equal(flushed, torch.tensor([0.0, 0.0, 0.0, 2e-30, -1.0]))
    flushed.sum().backward()
    assert torch.equal(x.grad, torch.ones(5))  # the centre of a dead channel still gets a gradient


def test_clusters_out_of_reach_are_exactly_zero_and_learn_nothing() -> None:
    torch.manual_seed(2)
    centers = torch.eye(6, 8)
    model = VLAD(centers, 1000.0)
    maps = torch.rand(2, 8, 3, 3) * 0.01
    maps[:, :2] += 1  # between the first two centres, far from the rest
    residuals = model(maps, torch.rand(2, 3, 3).softmax(dim=2))
    assert bool((residuals[:, 2:] == 0).all()) and bool((residuals[:, :2] != 0).any(dim=2).all())
    residuals.square().sum().backward()
    for parameter in (model.weight, model.bias, model.centers):
        assert bool((parameter.grad[2:] == 0).all()) and bool((parameter.grad[:2] != 0).any())


def uncut(v: VLAD, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """v_k = sum_i A_i a_k(x_i) (x_i - c_k) of descriptors (N, C), in loops, without a cut-off."""
    centers = v.centers.detach().numpy()
    made = np.zeros_like(centers)
    for descriptor, weight in zip(x, weights, strict=True):
        scores = -v.alpha * ((descriptor - centers) ** 2).sum(axis=1)
        a = np.exp(scores - scores.max())
        made += weight * (a / a.sum())[:, None] * (descriptor - centers)
    return made


@pytest.mark.parametrize("scale", [1, 49])
@pytest.mark.parametrize("reach", [2.0, 6.0, 12.0])
def test_residuals_change_by_no_more_than_the_bound(reach: float, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times |x - c|: 2 N (K - 1) e^-r for assignments, 2 s (N - 1) e^-r for attention; plus sqrt(C) e^-r per flush."""
    for module in (attention, precision, vlad):
        monkeypatch.setattr(module, "REACH", reach)
    torch.manual_seed(3)
    model = VLAD(torch.nn.functional.normalize(torch.rand(K, 12, dtype=torch.float64), dim=1), 20 * reach)
    maps, cam = torch.rand(1, 12, 7, 7, dtype=torch.float64), 3 * reach * torch.rand(1, 49, dtype=torch.float64)
    weights = scale * cam.softmax(dim=1)
    found = model(maps, scale * softmax_within(cam, 1, reach).view(1, 7, 7))[0].detach().numpy()
    x = torch.nn.functional.normalize(maps[0].flatten(1), dim=0).T.numpy()
    moved = np.linalg.norm(found - uncut(model, x, weights[0].numpy()), axis=1).sum()
    longest = max(np.linalg.norm(one - model.centers.detach().numpy(), axis=1).max() for one in x)
    bound = (longest * (2 * 49 * (K - 1) + 2 * scale * 48) + K * math.sqrt(12)) * math.exp(-reach)
    assert 1e-4 * bound < moved <= bound


def variants() -> list[dict[str, object]]:
    """All variants of VLAD, each with the shared GRU."""
    attentions = [("none", 1, "sum"), *product(("joint", "decoupled"), (1, "N"), ("sum", "mean", "standard"))]
    return [
        {"attention": where, "attention_scale": scale, "attention_pool": pool, "assignment": assignment}
        for assignment in ("soft", "tied", "hard")
        for where, scale, pool in attentions
    ]


def hostile_model(**changes: object) -> TAVLAD:
    """A model with 16 centres that are dead in half of the channels, and with steep attention."""
    torch.manual_seed(4)
    centers = torch.nn.functional.normalize(torch.rand(K, C), dim=1)
    centers[:, ::2] = 0
    model = TAVLAD(centers, ModelSettings(5, **{**SETTINGS, "alpha": 1000.0, "dropout": 0.0, **changes}))
    if model.attention is not None:
        model.attention.fc.weight.data *= 40 * (C if changes.get("attention_pool") == "mean" else 1)
    return model


def hostile_maps(centers: Tensor) -> Tensor:
    """Maps (2, 4, C, 7, 7) between two centres, to which the squared distances differ by up to 0.3; some are dead,
    tiny, subnormal or huge, or have channels with tiny values only."""
    torch.manual_seed(5)
    way = torch.linspace(0, 1, 2 * 4 * 49)[:, None]
    near, other = centers[torch.randint(K, (2, 2 * 4 * 49))]
    maps = (near + way * (other - near)) * (1 + 0.05 * torch.rand(len(way), C))
    maps[::11] = 0
    maps[1::11] *= 1e-20
    maps[2::11] *= 1e-41
    maps[3::11] *= 1e30
    maps[:, 0::8] += 10.0 ** torch.randint(-41, -5, (len(way), C // 8))
    return maps.view(2, 4, 7, 7, C).permute(0, 1, 4, 2, 3).contiguous()


def seen_by_temporal(model: TAVLAD, maps: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The input of the temporal model, and the logits."""
    kept: list[Tensor] = []
    hook = model.temporal.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
    logits = model.classify(maps, seen)
    hook.remove()
    return kept[0], logits


@pytest.mark.parametrize("features", ["relu", "pre_relu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_subnormal_number_reaches_the_gru_under_any_variant(dtype: torch.dtype, features: str) -> None:
    for changes in variants():
        model = hostile_model(features=features, **changes)
        maps = hostile_maps(model.vlad.centers.detach())
        if features == "pre_relu":
            maps[:, :, 1::4] *= -1
        maps = maps.to(dtype)
        seen = maps.flip(1) if changes["attention"] == "decoupled" else maps
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            residuals, logits = seen_by_temporal(model, maps, seen)
        assert residuals.dtype == torch.float32 and bool(logits.isfinite().all())
        assert normal(residuals) and bool((residuals[residuals != 0].abs() >= LEAST).all()), changes
        x = precision.unit(maps.flatten(0, 1).float().flatten(2), dim=1)
        weights = model.attention_of(seen.flatten(0, 1).relu())
        assert normal(model.vlad.assign(x, None if weights is None else weights.flatten(1).unsqueeze(1))), changes


@pytest.mark.parametrize("changes", variants(), ids=lambda one: "-".join(map(str, one.values())))
def test_logits_and_gradients_in_float64_are_those_without_the_cut(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hostile_model(**changes).double()
    maps = hostile_maps(model.vlad.centers.detach())
    found = []
    for reach in (precision.REACH, math.inf):
        for module in (attention, precision, vlad):
            monkeypatch.setattr(module, "REACH", reach)
        model.zero_grad()
        residuals, logits = seen_by_temporal(model, maps, maps)
        logits.square().sum().backward()
        gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((residuals.detach(), logits.detach(), gradients))
    (cut, scored, learned), (whole, scored_whole, learned_whole) = found
    if changes["assignment"] != "hard":
        assert (cut == 0).sum() > (whole == 0).sum()
    scale = 49 if changes["attention_scale"] == "N" else 1
    tiny = whole.abs().amax(dim=3) < 1e-13  # small enough that rounding stays below the bound
    bound = (2 * (2 * 49 * (K - 1) + 2 * scale * 48) + math.sqrt(C)) * LEAST
    assert tiny.any() and (cut - whole)[tiny].norm(dim=1).max() <= bound
    torch.testing.assert_close(scored, scored_whole, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(learned, learned_whole, rtol=1e-9, atol=1e-12 * float(learned_whole.abs().max()))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("changes", variants(), ids=lambda one: "-".join(map(str, one.values())))
def test_non_finite_maps_give_non_finite_logits(changes: dict[str, object], value: float) -> None:
    model = hostile_model(**changes)
    maps = hostile_maps(model.vlad.centers.detach())
    maps[0, 1, 3, 2, 2] = value
    logits = model.forward_maps(maps)
    assert not bool(logits[0].isfinite().any()) and bool(logits[1].isfinite().all())

"""VLAD, compared with residuals summed one by one in float64."""

import numpy as np
import pytest
import torch

from tavlad.model.vlad import VLAD


def unit_rows(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def naive(maps, attention, centers, weight, bias, hard=False):
    """v_k = sum_i A_i a_k(x_i) (x_i - c_k), with loops over frames, clusters and locations."""
    B, C, H, W = maps.shape
    K = len(centers)
    v = np.zeros((B, K, C))
    for b in range(B):
        for h in range(H):
            for w in range(W):
                f = maps[b, :, h, w]
                x = f / max(np.linalg.norm(f), 1e-6)
                scores = np.array([weight[k] @ x + bias[k] for k in range(K)])
                a = np.exp(scores - scores.max())
                a = a / a.sum()
                if hard:
                    a = np.zeros(K)
                    a[np.argmin([((x - c) ** 2).sum() for c in centers])] = 1
                for k in range(K):
                    v[b, k] += (1.0 if attention is None else attention[b, h, w]) * a[k] * (x - centers[k])
    return v


@pytest.mark.parametrize("with_attention", [True, False])
@pytest.mark.parametrize("assignment", ["soft", "tied", "hard"])
@pytest.mark.parametrize("alpha", [3.0, 1000.0])
def test_it_equals_the_loops(with_attention, assignment, alpha):
    torch.manual_seed(1)
    centers = unit_rows(5, 8) * torch.linspace(0.7, 0.9, 5, dtype=torch.float64).unsqueeze(1)  # as from k-means
    maps = torch.rand(3, 8, 2, 3, dtype=torch.float64)
    maps[0, :, 0, 0] = 0  # an all-zero descriptor
    attention = torch.rand(3, 2, 3, dtype=torch.float64) if with_attention else None
    vlad = VLAD(centers, alpha, assignment)
    c = centers.numpy()
    expected = naive(
        maps.numpy(),
        None if attention is None else attention.numpy(),
        c,
        2 * alpha * c,
        -alpha * (c**2).sum(1),
        hard=assignment == "hard",
    )
    found = vlad(maps, attention)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-10)


def test_weight_bias_and_centres_train_separately():
    torch.manual_seed(2)
    vlad = VLAD(unit_rows(4, 6), alpha=2.0)
    with torch.no_grad():
        for parameter in (vlad.weight, vlad.bias, vlad.centers):
            parameter += torch.randn_like(parameter)
    maps = torch.rand(2, 6, 2, 2, dtype=torch.float64)
    tensors = [p.detach().numpy() for p in (vlad.centers, vlad.weight, vlad.bias)]
    np.testing.assert_allclose(vlad(maps).detach().numpy(), naive(maps.numpy(), None, *tensors), atol=1e-10)
    vlad(maps).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in (vlad.weight, vlad.bias, vlad.centers))


def test_assignments_are_the_softmax_of_squared_distances():
    torch.manual_seed(3)
    centers, x = unit_rows(7, 5), unit_rows(1, 11, 5).transpose(1, 2)
    distances = ((x[0].T[:, None] - centers[None]) ** 2).sum(dim=2)  # (11, 7)
    torch.testing.assert_close(VLAD(centers, 10.0).assign(x)[0].T, (-10 * distances).softmax(dim=1))


def test_uniform_attention_times_n_equals_no_attention():
    torch.manual_seed(4)
    vlad = VLAD(unit_rows(4, 6), alpha=50.0)
    maps = torch.rand(2, 6, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(vlad(maps, torch.full((2, 3, 3), 1 / 9, dtype=torch.float64) * 9), vlad(maps))


def test_scaling_a_feature_changes_nothing():
    torch.manual_seed(5)
    vlad = VLAD(unit_rows(4, 6), alpha=1000.0)
    maps = torch.rand(1, 6, 2, 2, dtype=torch.float64)
    torch.testing.assert_close(vlad(maps), vlad(maps * torch.rand(1, 1, 2, 2, dtype=torch.float64) * 100 + 0))


@pytest.mark.parametrize("assignment", ["soft", "tied", "hard"])
def test_autocast_does_not_lower_the_precision(assignment):
    torch.manual_seed(6)
    vlad = VLAD(unit_rows(64, 512).float(), 1000.0, assignment)
    maps, x = torch.rand(2, 512, 4, 4), unit_rows(2, 16, 512).float().transpose(1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        under, assigned = vlad(maps), vlad.assign(x)
    assert under.dtype == assigned.dtype == torch.float32
    torch.testing.assert_close(under, vlad(maps), rtol=0, atol=0)
    torch.testing.assert_close(assigned, vlad.assign(x), rtol=0, atol=0)


def test_parameter_count_of_the_paper():
    assert sum(p.numel() for p in VLAD(torch.zeros(64, 512), 1000.0).parameters()) == 65_600
    assert sum(p.numel() for p in VLAD(torch.zeros(64, 512), 1000.0, "tied").parameters()) == 64 * 512


def test_an_unknown_assignment_is_refused():
    with pytest.raises(ValueError, match="fuzzy"):
        VLAD(torch.zeros(2, 2), 1.0, "fuzzy")

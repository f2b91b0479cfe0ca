"""Class activation attention, compared with explicit loops in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from tavlad.model.attention import ClassActivationAttention


def naive(maps: np.ndarray, weight: np.ndarray, bias: np.ndarray, pool: str) -> np.ndarray:
    B, C, H, W = maps.shape
    attention = np.zeros((B, H, W))
    for b in range(B):
        scores = [sum(weight[y, c] * maps[b, c].mean() for c in range(C)) + bias[y] for y in range(len(bias))]
        p = int(np.argmax(scores))
        for h in range(H):
            for w in range(W):
                attention[b, h, w] = sum(weight[p, c] * maps[b, c, h, w] for c in range(C))
        if pool == "mean":
            attention[b] /= C
        if pool == "standard":
            attention[b] = (attention[b] - attention[b].mean()) / np.sqrt(attention[b].var() + 1e-5)
        attention[b] = np.exp(attention[b] - attention[b].max())
        attention[b] /= attention[b].sum()
    return attention


@pytest.mark.parametrize("pool", ["sum", "mean", "standard"])
def test_it_equals_the_loops(pool):
    torch.manual_seed(0)
    fc = nn.Linear(6, 9).double()
    maps = torch.rand(5, 6, 3, 4, dtype=torch.float64) * 4
    expected = naive(maps.numpy(), fc.weight.detach().numpy(), fc.bias.detach().numpy(), pool)
    np.testing.assert_allclose(ClassActivationAttention(fc, pool)(maps).detach().numpy(), expected, atol=1e-12)


def test_it_sums_to_one_over_the_locations_and_keeps_float32_under_autocast():
    fc = nn.Linear(512, 1000)
    maps = torch.rand(4, 512, 7, 7) * 50
    with torch.autocast("cpu", torch.bfloat16):
        attention = ClassActivationAttention(fc)(maps)
    assert attention.dtype == torch.float32
    torch.testing.assert_close(attention.sum(dim=(1, 2)), torch.ones(4))
    torch.testing.assert_close(attention, ClassActivationAttention(fc)(maps))


def test_a_standardised_map_is_equally_peaked_at_any_scale():
    fc = nn.Linear(8, 5)
    fc.bias.data.zero_()  # the same class wins at any scale
    attention = ClassActivationAttention(fc, "standard")
    maps = torch.rand(3, 8, 7, 7) * 5
    torch.testing.assert_close(attention(maps * 100), attention(maps), rtol=1e-3, atol=1e-5)
    activation = attention.activation(maps).flatten(1)
    torch.testing.assert_close(activation.mean(dim=1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(activation.std(dim=1, correction=0), torch.ones(3), atol=1e-3, rtol=0)


def test_a_flat_standardised_map_gives_uniform_attention():
    attention = ClassActivationAttention(nn.Linear(8, 5), "standard")
    torch.testing.assert_close(
        attention(torch.full((2, 8, 7, 7), 300.0)), torch.full((2, 7, 7), 1 / 49), rtol=1e-2, atol=0
    )


def test_the_bias_decides_the_class_but_not_the_map():
    fc = nn.Linear(2, 2)
    with torch.no_grad():
        fc.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        fc.bias.copy_(torch.tensor([0.0, 100.0]))  # class 1 wins for any maps
    maps = torch.zeros(1, 2, 1, 2)
    maps[0, 0, 0, 0] = 5.0  # class 0 attends to the left
    maps[0, 1, 0, 1] = 3.0  # class 1 attends to the right
    attention = ClassActivationAttention(fc)
    assert attention.winner(maps).tolist() == [1]
    torch.testing.assert_close(attention(maps)[0, 0], torch.tensor([0.0, 3.0]).softmax(0))


def test_gradients_reach_only_the_winning_class():
    fc = nn.Linear(4, 3)
    attention = ClassActivationAttention(fc)
    maps = torch.rand(1, 4, 2, 2)
    attention(maps)[0, 0, 0].backward()
    rows = set(fc.weight.grad.abs().sum(dim=1).nonzero().flatten().tolist())
    assert rows == set(attention.winner(maps).tolist())


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="max"):
        ClassActivationAttention(nn.Linear(2, 2), "max")

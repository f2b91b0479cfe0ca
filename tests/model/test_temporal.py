"""Temporal aggregations, compared with a GRU cell written in numpy, one cluster and one frame at a time."""

from contextlib import nullcontext
from typing import get_args

import numpy as np
import pytest
import torch

from tavlad.model import temporal
from tavlad.model.settings import Temporal

B, T, K, C, D = 2, 4, 3, 5, 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def memory_of(sequence, w_ih, w_hh, b_ih, b_hh):
    """The last memory of a GRU on `sequence` (T, C): Cho et al. 2014, in the form of torch.nn.GRU."""
    h = np.zeros(w_hh.shape[1])
    for x in sequence:
        i_r, i_z, i_n = np.split(w_ih @ x + b_ih, 3)
        h_r, h_z, h_n = np.split(w_hh @ h + b_hh, 3)
        z = sigmoid(i_z + h_z)
        n = np.tanh(i_n + sigmoid(i_r + h_r) * h_n)
        h = (1 - z) * n + z * h
    return h


def weights(gru, suffix=""):
    return [
        getattr(gru, f"{name}_l0{suffix}").detach().numpy() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]


@pytest.fixture
def v():
    torch.manual_seed(0)
    return torch.randn(B, T, K, C, dtype=torch.float64)


def aggregation(name):
    torch.manual_seed(1)
    return temporal.make(name, C, D, K).double()


def test_gru_is_one_gru_with_a_memory_per_cluster(v):
    model = aggregation("gru")
    expected = [[memory_of(v[b, :, k].numpy(), *weights(model.gru)) for k in range(K)] for b in range(B)]
    np.testing.assert_allclose(model(v).detach().numpy(), expected, atol=1e-12)
    assert model.out_shape == (K, D)


def test_bigru_adds_a_second_gru_on_the_reversed_sequence(v):
    model = aggregation("bigru")
    expected = [
        [
            np.concatenate(
                [
                    memory_of(v[b, :, k].numpy(), *weights(model.gru)),
                    memory_of(v[b, :, k].numpy()[::-1], *weights(model.gru, "_reverse")),
                ]
            )
            for k in range(K)
        ]
        for b in range(B)
    ]
    np.testing.assert_allclose(model(v).detach().numpy(), expected, atol=1e-12)
    assert model.out_shape == (K, 2 * D)


def test_sum_is_the_sum_over_time(v):
    model = aggregation("sum")
    np.testing.assert_allclose(model(v).numpy(), np.sum([v[:, t].numpy() for t in range(T)], axis=0), atol=1e-12)
    assert model.out_shape == (K, C) and not list(model.parameters())


def test_gru_flat_reads_all_clusters_as_one_vector(v):
    model = aggregation("gru_flat")
    expected = [[memory_of(v[b].reshape(T, K * C).numpy(), *weights(model.gru))] for b in range(B)]
    np.testing.assert_allclose(model(v).detach().numpy(), expected, atol=1e-12)
    assert model.out_shape == (1, D)


def test_gru_separate_has_a_gru_for_each_cluster(v):
    model = aggregation("gru_separate")
    expected = np.zeros((B, K, D))
    for b in range(B):
        for k in range(K):
            own = [getattr(model, n)[k].detach().numpy() for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            expected[b, k] = memory_of(v[b, :, k].numpy(), own[0].T, own[1].T, own[2][0], own[3][0])
    np.testing.assert_allclose(model(v).detach().numpy(), expected, atol=1e-12)
    assert model.out_shape == (K, D)


@pytest.mark.parametrize("name", ["gru", "bigru", "gru_flat", "gru_separate"])
def test_order_matters_to_a_gru(name, v):
    model = aggregation(name)
    assert not torch.allclose(model(v), model(v.flip(1)), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "count"),
    [("gru", 591_360), ("bigru", 1_182_720), ("gru_separate", 37_847_040), ("gru_flat", 25_363_968), ("sum", 0)],
)
def test_parameter_counts_of_the_paper(name, count):
    assert sum(p.numel() for p in temporal.make(name, 512, 256, 64).parameters()) == count


def gradients(model, v, context):
    model.zero_grad()
    v = v.clone().requires_grad_()
    with context:
        out = model(v)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return [out, v.grad, *(p.grad.clone() for p in model.parameters())]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", get_args(Temporal))
def test_autocast_changes_no_bit_of_output_and_gradients(name, dtype, v):
    model = aggregation(name) if dtype == torch.float64 else aggregation(name).float()
    v = v.to(dtype)
    under = gradients(model, v, torch.autocast("cpu", torch.bfloat16))
    outside = gradients(model, v, nullcontext())
    assert under[0].dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert all(torch.equal(one, other) for one, other in zip(under, outside, strict=True))
    assert torch.equal(under[0], model(v.to(under[0].dtype)))


def test_an_aggregation_without_aggregate_cannot_be_made():
    class Mean(temporal.Aggregation):
        def forward(self, v):
            return v.mean(dim=1)

    with pytest.raises(TypeError, match="aggregate"):
        Mean()


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="lstm"):
        temporal.make("lstm", 1, 1, 1)

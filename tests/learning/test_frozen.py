"""A training step changes what it was told to train and nothing else, in every variant; a clip never sees its batch."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from tavlad.learning.fitting import PARTS, Schedule, adam, select
from tavlad.model.backbone import Backbone
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD

SETTINGS = {
    "hidden": 4,
    "alpha": 10.0,
    "attention_scale": "N",
    "attention_pool": "mean",
    "temporal": "gru",
    "assignment": "soft",
    "features": "relu",
    "dropout": 0.0,
}
PLAN = Schedule(epochs=1, lr=1e-3, lr_head=1e-3, halve_every=1, micro_batch=2, clip=0.0, eps=1e-8, weight_decay=0.1)
VARIANTS = [(attention, pooling) for attention in ("joint", "decoupled", "none") for pooling in ("vlad", "avg")]


@pytest.fixture(scope="module", params=VARIANTS, ids=" ".join)
def built(request: pytest.FixtureRequest) -> Iterator[TAVLAD]:
    attention, pooling = request.param
    torch.manual_seed(0)
    centers = nn.functional.normalize(torch.rand(4, 512), dim=1)
    model = TAVLAD(centers, ModelSettings(3, attention=attention, pooling=pooling, **SETTINGS))
    model.attach(Backbone("resnet34", pre_relu=False))
    yield model


def state(tensors: Iterator[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors}


def changed(before: dict[str, Tensor], after: Iterator[tuple[str, Tensor]]) -> set[str]:
    return {name for name, tensor in after if not torch.equal(tensor, before[name])}


def frames() -> Tensor:
    return torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("train", [*([part] for part in PARTS), list(PARTS)], ids=" ".join)
def test_a_step_changes_the_chosen_parts_and_nothing_else(built: TAVLAD, train: list[str]) -> None:
    model = copy.deepcopy(built).train()
    chosen = select(model, train)
    parameters, buffers = state(model.named_parameters()), state(model.named_buffers())
    logits = model(frames())
    if chosen:
        optimiser = adam(chosen, PLAN)
        nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
        optimiser.step()
    moved = changed(parameters, model.named_parameters())
    assert changed(buffers, model.named_buffers()) == set() and len(buffers) >= 108
    assert moved <= {name for named in chosen.values() for name in named}
    assert all(moved & set(named) for named in chosen.values())


def test_in_training_a_clip_does_not_see_its_batch(built: TAVLAD) -> None:
    model, batch = copy.deepcopy(built).train(), frames()
    other = torch.stack([batch[0], 3 * batch[1] + 1])
    with torch.no_grad():
        one, two, alone = model(batch)[0], model(other)[0], model.eval()(batch)[0]
    assert torch.equal(one, two) and torch.equal(one, alone)

"""The training loop: Adam by the book, micro-batches that change nothing, resumption that cannot be told apart."""

from functools import partial

import pytest
import torch
from torch import nn

from tavlad.errors import TavladError
from tavlad.learning.checkpoints import EpochState
from tavlad.learning.fitting import Feed, Schedule, adam, fit
from tavlad.learning.loading import Clips, EpochSampler, loader
from tavlad.learning.weighting import clip_weights
from tavlad.store.making import Place
from tavlad.store.store import Store

CPU = torch.device("cpu")
PLAN = Schedule(epochs=4, lr=0.01, lr_head=0.02, halve_every=2, micro_batch=4, clip=0.0, eps=1e-8, weight_decay=0.0)


def point(clip: str, epoch: int) -> torch.Tensor:
    return torch.randn(6, generator=torch.Generator().manual_seed(int(clip)))


class Net(nn.Module):
    def __init__(self, dropout=0.5):
        super().__init__()
        torch.manual_seed(0)
        self.vlad, self.drop, self.head = nn.Linear(6, 8), nn.Dropout(dropout), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.drop(torch.tanh(self.vlad(x))))


def parts_of(net):
    return {"vlad": dict(net.vlad.named_parameters("vlad")), "classifier": dict(net.head.named_parameters("head"))}


def logits(net, ids, inputs, epoch):
    return net(torch.stack(list(inputs)))


def train(store, net, plan=PLAN, validate=None, key="key", logits=logits, count=10):
    sampler = EpochSampler(count, 4, seed=7)
    clips = Clips([str(i) for i in range(count)], [i % 3 for i in range(count)], point)
    place = Place(store, "stage1", key, store.aside())
    batches = loader(clips, sampler, 0, CPU)
    state = EpochState(place)
    return fit(net, parts_of(net), plan, Feed(batches, sampler, partial(logits, net)), validate, state, "test"), place


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def weights(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_adam_with_halved_rates_written_out(store):
    """One batch an epoch, no dropout: the moments, by hand, in float64."""
    plan = Schedule(**{**PLAN.__dict__, "weight_decay": 0.1, "clip": 0.5, "micro_batch": 3})
    net, reference = Net(dropout=0.0).double(), Net(dropout=0.0).double()

    def as_double(net, ids, inputs, epoch):
        return net(torch.stack(list(inputs)).double())

    train(store, net, plan, logits=as_double, count=3)
    inputs = torch.stack([point(str(i), 0) for i in range(3)]).double()
    moments = {name: [torch.zeros_like(p), torch.zeros_like(p)] for name, p in reference.named_parameters()}
    for epoch in range(4):
        reference.zero_grad()
        nn.functional.cross_entropy(reference(inputs), torch.tensor([0, 1, 2])).backward()
        norm = sum(p.grad.square().sum() for p in reference.parameters()).sqrt()
        factor = min(1.0, 0.5 / (float(norm) + 1e-6))
        for name, p in reference.named_parameters():
            rate = (0.01 if name.startswith("vlad") else 0.02) * (0.5 if epoch >= 2 else 1.0)
            gradient = p.grad * factor + (0.0 if name.startswith("vlad") else 0.1) * p.detach()
            m, s = moments[name]
            m.mul_(0.9).add_(0.1 * gradient)
            s.mul_(0.999).add_(0.001 * gradient**2)
            step = m / (1 - 0.9 ** (epoch + 1)) / ((s / (1 - 0.999 ** (epoch + 1))).sqrt() + 1e-8)
            p.data -= rate * step
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], tensor)


def test_micro_batches_give_the_gradient_of_the_whole_batch(tmp_path):
    results = []
    for micro in (1, 3, 4):
        net = Net(dropout=0.0)
        train(Store(tmp_path / str(micro)), net, Schedule(**{**PLAN.__dict__, "micro_batch": micro}))
        results.append(weights(net))
    for other in results[1:]:
        for name, tensor in results[0].items():
            torch.testing.assert_close(other[name], tensor)


BALANCED = Schedule(**{**PLAN.__dict__, "epochs": 1, "class_weights": "balanced", "micro_batch": 5})
LABELS = [0, 0, 0, 0, 0, 0, 0, 1, 1, 2]  # of ten clips


def train_uneven(folder, plan, batch=5):
    """One epoch in float64 on classes of 7, 2 and 1 clips: the network, and the epoch's row."""
    net = Net(dropout=0.0).double()
    sampler = EpochSampler(len(LABELS), batch, seed=7)
    clips = Clips([str(i) for i in range(len(LABELS))], LABELS, point)
    state = EpochState(Place(Store(folder), "stage1", "key", Store(folder).aside()))

    def as_double(ids, inputs, epoch):
        return net(torch.stack(list(inputs)).double())

    feed = Feed(loader(clips, sampler, 0, CPU), sampler, as_double, clip_weights(plan.class_weights, LABELS, 3))
    (row,) = fit(net, parts_of(net), plan, feed, None, state, "test")
    return net, row


def test_balanced_weights_count_each_class_alike():
    weighted = clip_weights("balanced", LABELS, 3)
    assert weighted.tolist() == pytest.approx([10 / (3 * count) for count in (7, 2, 1)], rel=1e-15)
    assert clip_weights("none", LABELS, 3) is None
    totals = [sum(float(weighted[label]) for label in LABELS if label == wanted) for wanted in range(3)]
    assert totals == pytest.approx([10 / 3] * 3)  # and the sum over clips is their number


def test_the_weighted_loss_is_that_of_a_naive_loop(tmp_path):
    """Batches of five, clip by clip in Python, a step of Adam each."""
    net, row = train_uneven(tmp_path, BALANCED)
    reference = Net(dropout=0.0).double()
    adam_ = torch.optim.Adam(
        [
            {"params": reference.vlad.parameters(), "lr": BALANCED.lr},
            {"params": reference.head.parameters(), "lr": BALANCED.lr_head},
        ],
        eps=BALANCED.eps,
    )
    total = 0.0
    for positions in EpochSampler(len(LABELS), 5, seed=7):
        loss = torch.zeros((), dtype=torch.float64)
        for index, _ in positions:
            logits = reference(point(str(index), 0).double())
            share = torch.exp(logits[LABELS[index]]) / torch.exp(logits).sum()
            loss = loss - 10 / (3 * LABELS.count(LABELS[index])) * torch.log(share)
        adam_.zero_grad()
        (loss / len(positions)).backward()
        adam_.step()
        total += float(loss.detach())
    assert row["loss"] == pytest.approx(total / len(LABELS), rel=1e-12)
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], tensor, rtol=1e-10, atol=1e-12)


def test_micro_batches_give_the_weighted_gradient_of_the_whole_batch(tmp_path):
    whole, _ = train_uneven(tmp_path / "whole", BALANCED)
    for micro in (1, 2, 3):
        net, _ = train_uneven(tmp_path / str(micro), Schedule(**{**BALANCED.__dict__, "micro_batch": micro}))
        for name, tensor in whole.state_dict().items():
            torch.testing.assert_close(net.state_dict()[name], tensor, rtol=1e-9, atol=1e-12)


def test_weights_of_equal_classes_and_none_are_what_it_was(tmp_path):
    plain, row = train_uneven(tmp_path / "plain", Schedule(**{**BALANCED.__dict__, "class_weights": "none"}))
    uneven, other = train_uneven(tmp_path / "uneven", BALANCED)
    assert row["loss"] != other["loss"] and not same(weights(plain), weights(uneven))
    assert torch.equal(clip_weights("balanced", [0, 1, 2, 2, 1, 0], 3), torch.ones(3, dtype=torch.float64))


def test_the_curve_has_a_row_an_epoch_and_the_loss_falls(store):
    curve, _ = train(store, Net(dropout=0.0), Schedule(**{**PLAN.__dict__, "epochs": 40, "halve_every": 40}))
    assert len(curve) == 40 and curve[-1]["loss"] < curve[0]["loss"] / 2 and curve[-1]["accuracy"] == 1.0
    assert [row["lr"] for row in curve] == [0.01] * 40


class Killed(Exception):
    pass


@pytest.mark.parametrize("with_validation", [False, True])
@pytest.mark.parametrize("kill_in_epoch", [0, 1, 3])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, kill_in_epoch, with_validation):
    scores = [0.1, 0.6, 0.5, 0.6]  # the first of equals is epoch 1

    def run(store, killer):
        net = Net()
        calls = {"epoch": -1}

        def forward(net, ids, inputs, epoch):
            calls["epoch"] = epoch
            if killer and epoch == kill_in_epoch and len(ids) < 4:  # in the last batch
                raise Killed
            return net(torch.stack(list(inputs)))

        validate = (lambda: scores[calls["epoch"]]) if with_validation else None
        curve, place = train(store, net, logits=forward, validate=validate)
        return weights(net), curve, place

    expected, curve, _ = run(Store(tmp_path / "whole"), killer=False)
    store = Store(tmp_path / "killed")
    with pytest.raises(Killed):
        run(store, killer=True)
    found, resumed, place = run(store, killer=False)
    assert same(expected, found) and resumed == curve
    assert place.kept() is not None


def test_validation_keeps_the_first_of_the_best_epochs(tmp_path):
    seen = []

    def validate(scores, net):
        seen.append(weights(net))
        return scores[len(seen) - 1]

    net = Net()
    curve, _ = train(Store(tmp_path), net, validate=partial(validate, [0.2, 0.7, 0.7, 0.1], net))
    assert same(weights(net), seen[1]) and not same(weights(net), seen[3])
    assert [row["validation"] for row in curve] == [0.2, 0.7, 0.7, 0.1]


def test_a_loss_that_is_not_finite_names_the_clips_and_keeps_the_last_epoch(store):
    def explode(net, ids, inputs, epoch):
        return net(torch.stack(list(inputs))) * (float("nan") if epoch == 2 else 1.0)

    with pytest.raises(TavladError, match="non-finite loss, epoch 3") as error:
        train(store, Net(), logits=explode)
    assert len(error.value.rows) == 4
    assert store.find("stage1-epoch", "key") is not None


def test_groups_of_adam():
    net = Net()
    groups = adam(parts_of(net), Schedule(**{**PLAN.__dict__, "weight_decay": 0.1})).param_groups
    assert [(g["initial_lr"], g["weight_decay"]) for g in groups] == [(0.01, 0.0), (0.02, 0.1)]

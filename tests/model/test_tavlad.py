"""The whole model: `forward` and `forward_maps` agree, parameter counts are the paper's, checkpoints rebuild it."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torchvision

from tavlad.learning.checkpoints import Facts, load_checkpoint, save_checkpoint
from tavlad.learning.fitting import HEAD, PARTS, select
from tavlad.model.backbone import Backbone
from tavlad.model.settings import ModelSettings, Temporal
from tavlad.model.tavlad import TAVLAD

PAPER = {
    "hidden": 256,
    "alpha": 1000.0,
    "attention": "joint",
    "attention_scale": 1,
    "attention_pool": "sum",
    "temporal": "gru",
    "assignment": "soft",
    "pooling": "vlad",
    "features": "relu",
    "dropout": 0.5,
}


def build(clusters=64, classes=51, backbone=True, **changes) -> TAVLAD:
    torch.manual_seed(0)
    settings = {**PAPER, **changes}
    centers = torch.nn.functional.normalize(torch.rand(clusters, 512), dim=1)
    model = TAVLAD(centers, ModelSettings(classes, **settings))
    if backbone:
        model.attach(Backbone("resnet34", pre_relu=settings["features"] == "pre_relu"))
    return model.eval()


def count(parts) -> int:
    return sum(p.numel() for named in parts.values() for p in named.values())


def test_parameter_counts_of_the_paper():
    model = build()
    assert sum(p.numel() for p in model.parameters()) == 23_290_267
    assert count(select(model, HEAD)) == 1_426_995
    assert count(select(model, ["layer4", "fc", "vlad", "gru", "classifier"])) == 14_981_723
    assert count(select(model, ["layer4", "downsample", "fc", "vlad", "gru", "classifier"])) == 15_112_795
    assert count(select(model, ["batchnorm"])) == 7_168
    assert sum(p.numel() for p in build(classes=101, backbone=False).classifier.parameters()) == 1_654_885


def test_select_freezes_everything_but_the_parts():
    model = build()
    for part in PARTS:
        named = select(model, [part])
        assert set(named) == {part}
        assert {n for n, p in model.named_parameters() if p.requires_grad} == set(named[part])


@pytest.mark.parametrize("features", ["relu", "pre_relu"])
@pytest.mark.parametrize("attention", ["joint", "decoupled", "none"])
@pytest.mark.parametrize("pooling", ["vlad", "avg"])
def test_forward_and_forward_maps_agree(features, attention, pooling):
    model = build(clusters=4, classes=3, hidden=5, features=features, attention=attention, pooling=pooling)
    frames = torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        maps = model.backbone(frames.flatten(0, 1)).view(2, 3, 512, 2, 2)
        torch.testing.assert_close(model(frames), model.forward_maps(maps))
    assert (maps.min() < 0) == (features == "pre_relu")


def test_the_backbone_is_torchvisions():
    whole = torchvision.models.resnet34(weights=None).eval()
    body = torch.nn.Sequential(*list(whole.children())[:-2])
    frames = torch.randn(2, 3, 64, 64)
    for pre_relu in (False, True):
        backbone = Backbone("resnet34", pre_relu).eval()
        backbone.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("fc.")})
        with torch.no_grad():
            torch.testing.assert_close(torch.relu(backbone(frames)), body(frames))


@pytest.mark.parametrize("attention", ["joint", "decoupled", "none"])
def test_batch_norm_stays_frozen_in_training_mode(attention):
    model = TAVLAD(torch.rand(4, 512), ModelSettings(3, **{**PAPER, "attention": attention}))
    model.attach(Backbone("resnet34", pre_relu=False))
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == (43 if attention == "decoupled" else 36)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for change in (lambda: None, model.train, model.backbone.train, (model.attention_layer4 or model).train):
        change()  # the first change does nothing: new modules are in training mode
        assert model.training and model.dropout.training and not any(norm.training for norm in norms)
        model(torch.randn(1, 2, 3, 32, 32))
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


@pytest.mark.parametrize(
    "changes",
    [
        *({"temporal": name} for name in get_args(Temporal)),
        *({"attention": name} for name in ("decoupled", "none")),
        *({"assignment": name} for name in ("tied", "hard")),
        {"pooling": "avg"},
        *({"attention_pool": name} for name in ("mean", "standard")),
        {"attention_scale": "N"},
        {"features": "pre_relu"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_no_bit_after_the_maps(changes, dtype):
    model = build(clusters=4, classes=3, hidden=5, backbone=False, **{"dropout": 0.0, **changes})
    drawn = torch.randn(2, 3, 512, 2, 2).to(dtype)
    found = []
    for enabled in (True, False):
        model.zero_grad()
        maps = drawn.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = model.classify(maps, maps)
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
        found.append([logits, maps.grad, *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    assert found[0][0].dtype == torch.float32
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_sum_is_blind_to_time_and_gru_is_not():
    maps = torch.rand(2, 6, 512, 2, 2)
    for temporal, blind in (("sum", True), ("gru", False)):
        model = build(clusters=8, classes=4, temporal=temporal, backbone=False, attention_scale="N")
        with torch.no_grad():
            same = torch.allclose(model.forward_maps(maps), model.forward_maps(maps.flip(1)), atol=1e-4)
        assert same == blind


def test_sum_has_equal_logits_on_frames_and_on_their_reversal():
    model = build(clusters=8, classes=4, temporal="sum", attention_scale="N")
    frames = torch.randn(1, 5, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(frames), model(frames.flip(1)), atol=1e-4, rtol=0)


def test_the_descriptor_is_normalised_per_cluster_then_as_a_whole():
    model = build(clusters=4, backbone=False)
    h = torch.randn(3, 4, 7, dtype=torch.float64)
    expected = (
        np.stack([np.concatenate([m / np.linalg.norm(m) for m in clip]) for clip in h.numpy()]) / 2
    )  # |.| = sqrt(4)
    np.testing.assert_allclose(model._normalise(h).numpy(), expected, atol=1e-12)


def test_attention_scale_n_makes_weights_of_mean_one():
    maps = torch.rand(3, 512, 4, 4)
    torch.testing.assert_close(
        build(attention_scale="N", backbone=False).attention_of(maps).mean(dim=(1, 2)), torch.ones(3)
    )
    torch.testing.assert_close(
        build(attention_scale=1, backbone=False).attention_of(maps).sum(dim=(1, 2)), torch.ones(3)
    )


def test_decoupled_attention_does_not_change_when_the_backbone_is_trained():
    frames = torch.randn(1, 2, 3, 64, 64)
    seen = {}
    for attention in ("joint", "decoupled"):
        model = build(clusters=4, classes=3, attention=attention)
        assert "fc" not in select(model, PARTS) or attention == "joint"
        weights = []
        model.attention.register_forward_hook(lambda _m, _i, output, kept=weights: kept.append(output))
        with torch.no_grad():
            model(frames)
            for parameter in model.backbone.layer4.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
            model(frames)
        seen[attention] = torch.equal(weights[0], weights[1])
    assert seen == {"joint": False, "decoupled": True}


@pytest.mark.parametrize("backbone", [True, False])
@pytest.mark.parametrize(
    "changes", [{}, {"attention": "decoupled", "temporal": "bigru"}, {"pooling": "avg"}, {"features": "pre_relu"}]
)
def test_a_checkpoint_rebuilds_the_model(tmp_path: Path, backbone, changes):
    model = build(clusters=4, classes=3, hidden=6, backbone=backbone, **changes)
    facts = Facts(("a", "b", "c"), "float32", "recipe", 8, 128, 112, 95)
    files = [tmp_path / "one" / "model.safetensors", tmp_path / "two" / "model.safetensors"]
    for file in files:
        file.parent.mkdir()
        save_checkpoint(file, model, facts)
    assert files[0].read_bytes() == files[1].read_bytes()
    rebuilt, read = load_checkpoint(files[0].parent)
    assert read == facts and not rebuilt.training
    maps = torch.rand(1, 2, 512, 2, 2)
    torch.testing.assert_close(rebuilt.forward_maps(maps), model.forward_maps(maps), rtol=0, atol=0)
    if backbone:
        frames = torch.randn(1, 2, 3, 64, 64)
        torch.testing.assert_close(rebuilt(frames), model(frames), rtol=0, atol=0)
    else:
        with pytest.raises(RuntimeError, match="no backbone"):
            rebuilt(torch.randn(1, 2, 3, 64, 64))


@pytest.mark.parametrize(
    "wrong",
    [{"attention": "all"}, {"attention_scale": 2}, {"pooling": "max"}, {"features": "raw"}, {"temporal": "lstm"}],
)
def test_unknown_settings_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(backbone=False, **wrong)

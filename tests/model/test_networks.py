"""Every network, compared with its publisher's own code: maps, split, folding, and the model on top."""

from typing import Any, get_args

import pytest
import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from tavlad.features.weights import random_weights
from tavlad.learning.fitting import PARTS, select
from tavlad.model.backbone import FAMILIES, Backbone, family_of
from tavlad.model.network import FrozenBatchNorm2d, fold
from tavlad.model.settings import NetworkName
from tests.models import small_model

NETWORKS: tuple[str, ...] = get_args(NetworkName)
LITE = "efficientnet_lite0"


def theirs(network: str) -> nn.Module:
    """The publisher's own network in evaluation mode, with batch-norms unlike those of a new one."""
    torch.manual_seed(1)
    whole = EfficientNet.from_name("efficientnet-lite0") if network == LITE else torchvision.models.get_model(network)
    for norm in (module for module in whole.modules() if isinstance(module, nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.running_var):
            nn.init.uniform_(tensor, 0.5, 1.5)
        for tensor in (norm.bias, norm.running_mean):
            nn.init.normal_(tensor, 0.0, 0.2)
    return whole.eval()


def their_maps(whole: Any, images: Tensor) -> Tensor:
    """The maps that the publisher's network pools."""
    if isinstance(whole, EfficientNet):
        return whole.extract_features(images)
    seen: list[Tensor] = []
    pooling = whole.features if isinstance(whole, torchvision.models.MobileNetV2) else whole.avgpool
    after = isinstance(whole, torchvision.models.MobileNetV2)
    hook = pooling.register_forward_hook(lambda _, given, out: seen.append(out if after else given[0]))
    whole(images)
    hook.remove()
    return seen[0]


def ours(whole: nn.Module, network: str, pre_relu: bool) -> Backbone:
    backbone, head = Backbone(network, pre_relu), family_of(network).classifier + "."
    backbone.load_state_dict({name: one for name, one in whole.state_dict().items() if not name.startswith(head)})
    return backbone.eval()


def images(network: str) -> Tensor:
    """Random images: of the only size that the Lite0 package pads correctly, or small ones."""
    side = 224 if network == LITE else 64
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))


def test_every_network_name_has_a_family() -> None:
    assert sorted(NETWORKS) == sorted(name for family in FAMILIES for name in family.channels)
    with pytest.raises(ValueError, match="resnet18"):
        family_of("resnet")


@pytest.mark.parametrize("network", NETWORKS)
def test_state_dict_names_are_the_publishers(network: str) -> None:
    named = {name: one.shape for name, one in theirs(network).state_dict().items()}
    drawn = random_weights(network, 1, 255 * torch.rand(2, 3, 64, 64))
    assert {name: one.shape for name, one in drawn.tensors.items()} == {
        name: shape for name, shape in named.items() if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_maps_and_classifier_agree_with_the_publishers_code(network: str) -> None:
    whole, family = theirs(network), family_of(network)
    classifier = whole.get_submodule(family.classifier)
    with torch.inference_mode():
        expected = their_maps(whole, images(network))
        found = ours(whole, network, pre_relu=False)(images(network))
        before = ours(whole, network, pre_relu=True)(images(network))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(family.activation(before), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(classifier(found.mean(dim=(2, 3))), whole(images(network)), rtol=1e-3, atol=1e-3)
    side = 7 if network == LITE else 2
    assert found.shape == (2, family.channels[network], side, side) and (before < 0).any()


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_agree_with_the_publishers_code(network: str) -> None:
    whole, frames = theirs(network).double(), images(network)[:1].double()
    backbone = ours(whole, network, pre_relu=False).double()
    expected = their_maps(whole, frames)
    pull = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected.backward(pull)
    backbone(frames).backward(pull)
    theirs_by_name = dict(whole.named_parameters())
    for name, parameter in backbone.last_stage().named_parameters():
        inner = next(full for full, one in backbone.named_parameters() if one is parameter)
        torch.testing.assert_close(parameter.grad, theirs_by_name[inner].grad, rtol=1e-6, atol=1e-9, msg=name)


@pytest.mark.parametrize("network", NETWORKS)
def test_depthwise_says_that_each_channel_has_its_own_convolution(network: str) -> None:
    last = [one for one in Backbone(network, False).last_stage().modules() if isinstance(one, nn.Conv2d)]
    assert family_of(network).depthwise == any(1 < conv.groups == conv.in_channels for conv in last)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("side", [112, 100])
def test_any_size_of_frames_gives_maps_at_stride_32(network: str, side: int) -> None:
    with torch.inference_mode():
        backbone = ours(theirs(network), network, pre_relu=False)
        frames = torch.randn(1, 3, side, side)
        middle = backbone.trunk()(frames)
        assert backbone.last_maps(backbone.last_stage(), middle).shape[2:] == (4, 4)
    assert middle.shape[2:] == (7, 7)


@pytest.mark.parametrize("network", NETWORKS)
def test_folding_changes_nothing_in_float64_and_leaves_no_batch_norm(network: str) -> None:
    backbone, frames = ours(theirs(network), network, pre_relu=True).double(), images(network)[:, :, :64, :64].double()
    with torch.inference_mode():
        expected = backbone(frames)
        torch.testing.assert_close(fold(backbone)(frames), expected, rtol=1e-9, atol=1e-9)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())


@pytest.mark.parametrize("network", NETWORKS)
def test_stage_2_trains_the_last_stage_and_nothing_before_it(network: str) -> None:
    model = small_model(3, 0, backbone=True, network=network, dropout=0.0).train()
    parts = select(model, PARTS)
    backbone = model.network()
    last = {id(parameter) for parameter in backbone.last_stage().parameters()}
    chosen = {
        id(parameter) for part in ("layer4", "downsample", "batchnorm") for parameter in parts.get(part, {}).values()
    }
    assert chosen == last
    assert all(id(parameter) not in last for parameter in backbone.trunk().parameters())
    assert len(last) + len(list(backbone.trunk().parameters())) == len(list(backbone.parameters()))
    assert all(parameter.dim() == 1 for parameter in parts["batchnorm"].values())
    assert ("downsample" in parts) == bool(family_of(network).shortcut)
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and all(isinstance(norm, FrozenBatchNorm2d) and not norm.training for norm in norms)
    model(torch.randn(1, 2, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for part in parts if part != "fc" for parameter in parts[part].values())
    assert all(parameter.grad is None for parameter in backbone.trunk().parameters())


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("features", ["relu", "pre_relu"])
def test_forward_and_forward_maps_agree(network: str, features: str) -> None:
    model, frames = small_model(3, 0, backbone=True, network=network, features=features), torch.randn(2, 2, 3, 64, 64)
    backbone = model.network()
    channels = backbone.family.channels[network]
    with torch.no_grad():
        maps = backbone(frames.flatten(0, 1)).view(2, 2, channels, 2, 2)
        torch.testing.assert_close(model(frames), model.forward_maps(maps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_frames_are_normalised_as_the_network_was_trained(network: str) -> None:
    mean, std = ((0.498,) * 3, (0.502,) * 3) if network == LITE else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    white = Backbone(network, pre_relu=False).normalised(torch.full((1, 3, 1, 1), 255.0)).flatten().tolist()
    assert white == pytest.approx([(1 - m) / s for m, s in zip(mean, std, strict=True)], rel=1e-6)

"""The feature extractor, split as the method needs it: a trunk that is never trained, and the last stage."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from tavlad.model.lite import LITE
from tavlad.model.mobilenet import EFFICIENTNET, MOBILENET
from tavlad.model.network import Family, Folded, fold
from tavlad.model.regnet import REGNET
from tavlad.model.resnet import RESNET

FAMILIES = (RESNET, REGNET, MOBILENET, EFFICIENTNET, LITE)


def family_of(network: str) -> Family:
    """The family of `network`; ValueError if the network is unknown."""
    for family in FAMILIES:
        if network in family.channels:
            return family
    raise ValueError(f"no network {network!r}: {', '.join(name for family in FAMILIES for name in family.channels)}")


class Backbone(nn.Module):
    """A network without its classifier; parameters keep their published names.

    `pre_relu` drops the very last activation (ActionVLAD found post-ReLU features poor).
    """

    def __init__(self, network: str, pre_relu: bool):
        super().__init__()
        self.network, self.family, self.pre_relu = network, family_of(network), pre_relu
        head = self.family.classifier.split(".")[0]
        for name, child in self.family.build(network).named_children():
            if name not in ("avgpool", head):
                self.add_module(name, child)

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, 3, H, W) -> maps (B, C, H/32, W/32)."""
        return self.last_maps(self.last_stage(), self.trunk()(frames))

    def normalised(self, levels: Tensor) -> Tensor:
        """Normalise RGB levels 0..255 (B, 3, H, W) to the mean and deviation that the network was trained with."""
        return normalise(levels, self.family)

    def trunk(self) -> nn.Sequential:
        """The layers before the last stage: frames (B, 3, H, W) -> maps at stride 16."""
        return self.family.trunk(self)

    def last_stage(self) -> nn.Sequential:
        """The layers at stride 32, which stage 2 trains and decoupled attention copies."""
        return self.family.last_stage(self)

    def last_maps(self, last_stage: nn.Sequential, x: Tensor) -> Tensor:
        """Apply `last_stage`, ours or a copy, to the trunk's maps -> (B, C, H/32, W/32); see `pre_relu`."""
        y = self.family.before_activation(last_stage, x)
        return y if self.pre_relu else self.family.activation(y)

    def part_of(self, name: str) -> str | None:
        """The part (`settings.Part`) that the parameter `name` belongs to; None for the trunk."""
        owner = self.get_submodule(name.rpartition(".")[0])
        if not any(module is owner for module in self.last_stage().modules()):
            return None
        if isinstance(owner, nn.BatchNorm2d):
            return "batchnorm"
        return "downsample" if self.family.shortcut and f".{self.family.shortcut}." in name else "layer4"


def normalise(levels: Tensor, family: Family) -> Tensor:
    """Normalise RGB levels 0..255 (B, 3, H, W) to the mean and deviation of `family`."""
    mean, std = (levels.new_tensor(values).view(3, 1, 1) for values in (family.mean, family.std))
    return (levels / 255 - mean) / std


def memory_layout(device: torch.device, dtype: torch.dtype, network: str) -> torch.memory_format:
    """The memory format in which the last stage of `network` runs faster; the trunk always uses channels last."""
    last = device.type == "cuda" or dtype == torch.bfloat16 or family_of(network).depthwise
    return torch.channels_last if last else torch.contiguous_format


class FoldedCopy:
    """A folded copy of a network that is not being trained, cached outside its state_dict.

    The copy is rebuilt whenever a tensor of the network has been replaced (`to`, `double`) or written to
    (`load_state_dict`, an optimiser). It can go stale only through writes that bypass torch's version counter (`.data`,
    a fused optimiser).
    """

    def __init__(self) -> None:
        self._made: tuple[Any, list[Tensor], Any] = (None, [], None)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return FoldedCopy, ()  # a copied model makes its own

    def of(self, network: Folded, dtype: torch.dtype, layout: torch.memory_format) -> Folded:
        """The folded copy of `network`: folded in the network's own dtype, then converted to `dtype` and `layout`."""
        tensors = [*network.parameters(), *network.buffers()]
        key = dtype, layout, [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if self._made[0] != key:
            with torch.inference_mode(False), torch.no_grad():
                made = fold(copy.deepcopy(network).eval()).requires_grad_(False).to(dtype).to(memory_format=layout)
            # keep the tensors alive, so that no other tensor can reuse their addresses
            self._made = key, [tensor.detach() for tensor in tensors], made
        folded: Folded = self._made[2]
        return folded

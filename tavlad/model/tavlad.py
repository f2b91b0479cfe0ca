"""TA-VLAD: feature maps, top-down attention, VLAD residuals, a GRU over time, a classifier (paper, section 3)."""

import copy
import json
import math
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from tavlad.model import temporal
from tavlad.model.attention import ClassActivationAttention
from tavlad.model.backbone import Backbone, FoldedCopy, family_of, memory_layout
from tavlad.model.network import IMAGENET_CLASSES
from tavlad.model.precision import exact, lowered, no_autocast, unit
from tavlad.model.settings import ModelSettings
from tavlad.model.vlad import VLAD


class TAVLAD(nn.Module):
    """The whole model; without a backbone (stage 1) it takes only cached maps. `centers` (K, C) come from k-means."""

    def __init__(self, centers: Tensor, settings: ModelSettings):
        super().__init__()
        self.settings, self.clusters = settings, len(centers)
        self.backbone: Backbone | None = None
        self.attention_layer4: nn.Sequential | None = None
        self._trunk, self._last_stage, self._attention_stage = FoldedCopy(), FoldedCopy(), FoldedCopy()
        self.attention: ClassActivationAttention | None = None
        channels = width = centers.shape[1]
        if settings.pooling == "vlad":
            if settings.attention != "none":
                fc = nn.Linear(channels, IMAGENET_CLASSES)
                self.attention = ClassActivationAttention(fc, settings.attention_pool)
            self.vlad = VLAD(centers, settings.alpha, settings.assignment)
            self.temporal = temporal.make(settings.temporal, channels, settings.hidden, len(centers))
            width = math.prod(self.temporal.out_shape)
        self.dropout = nn.Dropout(settings.dropout)
        self.classifier = nn.Linear(width, settings.classes)

    def attach(self, backbone: Backbone) -> None:
        """Add the backbone; decoupled attention also keeps a copy of its last stage."""
        self.backbone = backbone
        if self.attention is not None and self.settings.attention == "decoupled":
            self.attention_layer4 = copy.deepcopy(backbone.last_stage()).requires_grad_(False)

    def network(self) -> Backbone:
        """The backbone; RuntimeError if there is none."""
        if self.backbone is None:
            raise RuntimeError(
                "this model has no backbone (a stage 1 checkpoint): use forward_maps, or a stage 2 checkpoint"
            )
        return self.backbone

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, T, 3, H, W) -> logits (B, Y)."""
        return self.classify(*self.maps_of(frames))

    def forward_maps(self, maps: Tensor) -> Tensor:
        """Cached maps (B, T, C, H, W) of any float dtype -> logits (B, Y), as `forward` gives for the same frames."""
        maps = exact(maps)
        return self.classify(maps, maps)

    def maps_of(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, 3, H, W) -> maps (B, T, C, H/32, W/32) for VLAD, and maps of that shape for the attention.

        The two are the same tensor unless the attention is decoupled. Layers without gradients run with batch-norm
        folded: the trunk and decoupled attention always, the last stage when gradients are disabled.
        """
        network = self.network()
        first, last = network.trunk(), network.last_stage()
        dtype = lowered(next(first.parameters()))
        layout = memory_layout(frames.device, dtype, network.network)
        with torch.no_grad():  # the trunk never trains
            images = frames.flatten(0, 1).to(dtype, memory_format=torch.channels_last)
            x = self._trunk.of(first, dtype, torch.channels_last)(images).contiguous(memory_format=layout)
        if not torch.is_grad_enabled():
            last = self._last_stage.of(last, dtype, layout)
        maps = network.last_maps(last, x).unflatten(0, frames.shape[:2])
        if self.attention_layer4 is None:
            return maps, maps
        with torch.no_grad():  # the copy never trains either
            attending = self._attention_stage.of(self.attention_layer4, dtype, layout)
            seen = network.last_maps(attending, x)
        return maps, seen.unflatten(0, frames.shape[:2])

    def classify(self, maps: Tensor, seen: Tensor) -> Tensor:
        """Maps for VLAD and maps for the attention, both (B, T, C, H, W) -> logits (B, Y)."""
        B, T = maps.shape[:2]
        if self.settings.pooling == "avg":
            pooled = exact(self.activated(maps)).mean(dim=(3, 4)).mean(dim=1)
            return self._logits(pooled)
        v = self.vlad(maps.flatten(0, 1), self.attention_of(seen.flatten(0, 1)))
        return self._logits(self._normalise(self.temporal(v.unflatten(0, (B, T)))))

    def attention_of(self, maps: Tensor) -> Tensor | None:
        """Maps (B, C, H, W) -> weights of the locations (B, H, W), by `attention_scale`; None without attention."""
        if self.attention is None:
            return None
        weights: Tensor = self.attention(self.activated(maps))
        return weights * weights[0].numel() if self.settings.attention_scale == "N" else weights

    def activated(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) as the network's own classifier expects them: after its last activation."""
        if self.settings.features == "relu":
            return maps
        return family_of(self.settings.network).activation(maps)

    def _normalise(self, h: Tensor) -> Tensor:
        """Intra-normalise (B, K, D): each cluster to unit length, then the whole vector -> (B, K*D)."""
        with no_autocast(h):
            return unit(unit(exact(h), dim=2).flatten(1), dim=1)

    def _logits(self, descriptor: Tensor) -> Tensor:
        with no_autocast(descriptor):
            logits: Tensor = self.classifier(self.dropout(descriptor))
            return logits

    @classmethod
    def from_checkpoint(cls, path: Path | str) -> "TAVLAD":
        """Load a model, in evaluation mode, from a checkpoint file or from the model.safetensors in a folder."""
        file = Path(path)
        file = file / "model.safetensors" if file.is_dir() else file
        with safe_open(file, framework="pt") as opened:
            header = json.loads(opened.metadata()["tavlad"])["model"]
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
        clusters = header.pop("clusters")
        settings = ModelSettings(**header)
        channels = family_of(settings.network).channels[settings.network]
        model = cls(torch.zeros(clusters, channels), settings)
        if any(name.startswith("backbone.") for name in state):
            model.attach(Backbone(settings.network, pre_relu=settings.features == "pre_relu"))
        model.load_state_dict(state)
        return model.eval()

"""Replaces the temporal model of a trained model, and trains the new one on cached maps: takes minutes, reads no video.

python examples/temporal_model.py data split1
docs/extend.md makes it a choice in params.yaml, scored on held-out clips beside the others.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.data.table import read_examples
from tavlad.features.cache import read_maps
from tavlad.learning.fitting import HEAD, select
from tavlad.model.tavlad import TAVLAD
from tavlad.model.temporal import Aggregation

EPOCHS, BATCH, HIDDEN = 10, 16, 32


class SharedConvolution(Aggregation):
    """One convolution over three frames, shared by all clusters, and its maximum over time."""

    def __init__(self, channels: int, hidden: int, clusters: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, hidden, kernel_size=3, padding=1)
        self.out_shape = (clusters, hidden)

    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) -> (B, K, D)."""
        B, T, K, C = v.shape
        responses: Tensor = self.conv(v.permute(0, 2, 3, 1).reshape(B * K, C, T))  # (B*K, D, T)
        return responses.amax(dim=2).view(B, *self.out_shape)


data, split = Path(sys.argv[1]), sys.argv[2]

torch.manual_seed(1)
model = TAVLAD.from_checkpoint(data / "stage1" / split)  # its codebook and attention do not change
channels = model.vlad.centers.shape[1]
model.temporal = SharedConvolution(channels, HIDDEN, model.clusters)
model.classifier = nn.Linear(model.clusters * HIDDEN, model.settings.classes)
parts = select(model, HEAD)  # only the temporal model and the classifier are trained
optimiser = torch.optim.Adam([weight for part in parts.values() for weight in part.values()], lr=0.01)

clips = read_examples(data / "index", split, "train")
labels = torch.tensor(clips.labels)
for epoch in range(1, EPOCHS + 1):
    model.train()
    total, correct = 0.0, 0
    for chosen in torch.randperm(len(labels)).split(BATCH):
        files = [data / "features" / f"{clips.ids[number]}.h5" for number in chosen.tolist()]
        maps = torch.from_numpy(np.stack([read_maps(file, view=0) for file in files]))  # (B, T, C, H, W)
        logits = model.forward_maps(maps)
        loss = F.cross_entropy(logits, labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(chosen)
        correct += int((logits.argmax(1) == labels[chosen]).sum())
    print(f"epoch {epoch}: loss {total / len(labels):.4f}, training accuracy {correct / len(labels):.3f}")

"""Puts a temporal model of one's own into a trained model, and trains it on cached maps: minutes, no video is read.

python examples/temporal_model.py data split1
As a choice in params.yaml, scored on held-out clips beside the others: docs/extend.md.
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
    """One convolution over three frames, shared by all clusters, and the largest answer over time."""

    def __init__(self, channels: int, hidden: int, clusters: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, hidden, kernel_size=3, padding=1)
        self.out_shape = (clusters, hidden)

    def aggregate(self, v: Tensor) -> Tensor:
        """Residuals (B, T, K, C) -> (B, K, D)."""
        B, T, K, C = v.shape
        answers: Tensor = self.conv(v.permute(0, 2, 3, 1).reshape(B * K, C, T))  # (B*K, D, T)
        return answers.amax(dim=2).view(B, *self.out_shape)


data, split = Path(sys.argv[1]), sys.argv[2]

torch.manual_seed(1)
model = TAVLAD.from_checkpoint(data / "stage1" / split)  # its codebook and attention stay as they are
channels = model.vlad.centers.shape[1]
model.temporal = SharedConvolution(channels, HIDDEN, model.clusters)
model.classifier = nn.Linear(model.clusters * HIDDEN, model.settings.classes)
parts = select(model, HEAD)  # only the temporal model and the classifier train
optimiser = torch.optim.Adam([one for named in parts.values() for one in named.values()], lr=0.01)

clips = read_examples(data / "index", split, "train")
labels = torch.tensor(clips.labels)
for epoch in range(1, EPOCHS + 1):
    model.train()
    total, right = 0.0, 0
    for chosen in torch.randperm(len(labels)).split(BATCH):
        files = [data / "features" / f"{clips.ids[number]}.h5" for number in chosen.tolist()]
        maps = torch.from_numpy(np.stack([read_maps(file, view=0) for file in files]))  # (B, T, C, H, W)
        logits = model.forward_maps(maps)
        loss = F.cross_entropy(logits, labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total, right = total + loss.item() * len(chosen), right + int((logits.argmax(1) == labels[chosen]).sum())
    print(f"epoch {epoch}: loss {total / len(labels):.4f}, training accuracy {right / len(labels):.3f}")

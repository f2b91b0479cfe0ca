"""Dropout that does not depend on how many processes share a batch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.learning.processes import count, share_of


class SharedDropout(nn.Dropout):
    """Dropout of this process's clips with the mask that a single process would have drawn for the whole batch."""

    def __init__(self, p: float):
        super().__init__(p)
        self._passes: list[int] = []
        self._mask: Tensor | None = None

    def begin(self, clips: int, micro_batch: int) -> None:
        """Start a batch of `clips`, which a single process would split into micro-batches."""
        self._passes = [min(micro_batch, clips - start) for start in range(0, clips, micro_batch)]
        self._mask = None

    def forward(self, descriptors: Tensor) -> Tensor:
        """Descriptors (b, D) of this process's next clips -> the same with masked values 0 and the others scaled up."""
        if count() == 1 or not self.training or not self.p:
            return super().forward(descriptors)
        if self._mask is None:
            # All processes draw all masks. A process without clips in the last, smaller batch does not get here again
            drawn = [F.dropout(descriptors.new_ones(size, *descriptors.shape[1:]), self.p) for size in self._passes]
            self._mask = torch.cat(drawn)[share_of(sum(self._passes))]
        rows, self._mask = self._mask[: len(descriptors)], self._mask[len(descriptors) :]
        return descriptors * rows

"""A codebook: K centres, and how they were fitted; the file that stage `codebook` writes and stage 1 reads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


@dataclass(frozen=True)
class Fit:
    """How a codebook was fitted, over the descriptors that it was fitted on.

    `confident` is the share assigned with p > 0.99 at this alpha; `netvlad_alpha` is what NetVLAD's rule would give:
    the mean gap of squared distances to the two nearest centres then means a ratio of 100 between their assignments.
    """

    descriptors: int
    iterations: int
    inertia: float
    empty: int
    alpha: float
    confident: float
    netvlad_alpha: float


def save_codebook(file: Path, centers: Tensor, facts: Fit, recipe: str) -> None:
    """Write centres (K, C) with how they were fitted."""
    save_file(
        {"centers": centers}, file, metadata={"tavlad": json.dumps({**asdict(facts), "recipe": recipe}, sort_keys=True)}
    )


def load_codebook(file: Path) -> tuple[Tensor, dict[str, Any]]:
    """The centres (K, C), float32, and the facts of `Fit` with the recipe they came from."""
    with safe_open(file, framework="pt") as opened:
        return opened.get_tensor("centers"), json.loads(opened.metadata()["tavlad"])

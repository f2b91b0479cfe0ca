"""The state after an epoch, on disk in the work store, from which training goes on as if it had never been killed."""

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tavlad.learning.parts import Named
from tavlad.making import Place

Row = dict[str, float]  # one epoch of a learning curve


@dataclass
class Progress:
    """The curve so far, and the weights of the best validation epoch (None without a validation part)."""

    curve: list[Row] = field(default_factory=list)
    best: dict[str, Tensor] | None = None


class EpochState:
    """Parameters, Adam's moments, the curve, the best weights. There is no random state: each epoch seeds itself."""

    def __init__(self, place: Place):
        self.place = place

    def save(self, progress: Progress, named: Named, optimiser: torch.optim.Adam) -> None:
        """Replace the stored state by that of the epoch just finished."""
        tensors = {f"weight.{name}": parameter.detach() for name, parameter in named.items()}
        for name, parameter in named.items():
            for moment, value in optimiser.state[parameter].items():
                tensors[f"adam.{moment}.{name}"] = value
        for name, weight in (progress.best or {}).items():
            tensors[f"best.{name}"] = weight
        header = json.dumps({"key": self.place.key, "curve": progress.curve})
        with self.place.keep() as aside:
            save_file({name: t.cpu().contiguous() for name, t in tensors.items()}, aside, metadata={"tavlad": header})

    def load(self, named: Named, optimiser: torch.optim.Adam) -> Progress:
        """Put the stored state into the parameters and the optimiser; an empty progress where nothing is stored."""
        path = self.place.kept()
        if path is None:
            return Progress()
        with safe_open(path, framework="pt") as opened:
            curve = json.loads(opened.metadata()["tavlad"])["curve"]
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is no dict)
        for name, parameter in named.items():
            parameter.data.copy_(tensors[f"weight.{name}"])
            optimiser.state[parameter] = _moments(tensors, name, parameter)
        best = {name: tensors[f"best.{name}"].to(p.device) for name, p in named.items() if f"best.{name}" in tensors}
        return Progress(curve, best or None)


def _moments(tensors: dict[str, Tensor], name: str, parameter: Tensor) -> dict[str, Any]:
    """Adam's state of one parameter; empty for one without a gradient (the fc bias: CAMs leave it out)."""
    stored = {moment: f"adam.{moment}.{name}" for moment in ("step", "exp_avg", "exp_avg_sq")}
    moments = {moment: tensors[key] for moment, key in stored.items() if key in tensors}
    # Adam keeps its step count on the CPU, its moments beside the parameter
    return {moment: value if moment == "step" else value.to(parameter.device) for moment, value in moments.items()}

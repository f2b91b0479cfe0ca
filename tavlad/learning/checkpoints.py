"""A model on disk with its curve, and the state after each epoch from which an interrupted training resumes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tavlad.learning.curve import Row, write_curve
from tavlad.learning.processes import from_first
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD
from tavlad.store.making import Place


@dataclass(frozen=True)
class Facts:
    """The metadata of a checkpoint; `precision` is the parameter, which each device resolves for itself.

    The preprocessing of frames (frames to jpeg_quality) is None after stage 1, which reads no frames.
    """

    classes: tuple[str, ...]
    precision: str
    recipe: str
    frames: int | None = None
    short_side: int | None = None
    crop: int | None = None
    jpeg_quality: int | None = None


def save_checkpoint(file: Path, model: TAVLAD, facts: Facts) -> None:
    """Write the model's state, its settings and `facts` to `file`; equal input gives equal bytes."""
    # one metadata key: safetensors writes several in random order
    header = json.dumps(
        {"model": {**asdict(model.settings), "clusters": model.clusters}, "facts": asdict(facts)}, sort_keys=True
    )
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, file, metadata={"tavlad": header})


def load_checkpoint(path: Path) -> tuple[TAVLAD, Facts]:
    """The model in evaluation mode, and its facts, from a checkpoint file or the folder that contains it."""
    return TAVLAD.from_checkpoint(path), read_facts(path)


def read_facts(path: Path) -> Facts:
    """The facts of a checkpoint, without its weights."""
    facts = _header(path)["facts"]
    return Facts(**{**facts, "classes": tuple(facts["classes"])})


def read_settings(path: Path) -> ModelSettings:
    """The settings of a checkpoint's model, without its weights."""
    return ModelSettings(**{name: value for name, value in _header(path)["model"].items() if name != "clusters"})


def read_clusters(path: Path) -> int:
    """The number K of clusters of a checkpoint's model, without its weights."""
    return int(_header(path)["model"]["clusters"])


def _header(path: Path) -> dict[str, Any]:
    file = path / "model.safetensors" if path.is_dir() else path
    with safe_open(file, framework="pt") as opened:
        header: dict[str, Any] = json.loads(opened.metadata()["tavlad"])
    return header


Named = dict[str, nn.Parameter]


@dataclass
class Progress:
    """The curve so far, and the weights of the best validation epoch (None without a validation part)."""

    curve: list[Row] = field(default_factory=list)
    best: dict[str, Tensor] | None = None


class EpochState:
    """Parameters, Adam's moments, the curve and the best weights; no random state, as each epoch is seeded.

    Only process 0 has a `place`: it writes the state, and reads it for all processes.
    """

    def __init__(self, place: Place | None):
        self.place = place

    def save(self, progress: Progress, named: Named, optimiser: torch.optim.Adam) -> None:
        """Replace the stored state with that of the epoch just finished."""
        if self.place is None:
            return
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
        """Load the stored state into the parameters and the optimiser; an empty progress if nothing is stored."""
        stored = from_first(self._read)
        if stored is None:
            return Progress()
        curve, tensors = stored
        for name, parameter in named.items():
            with torch.no_grad():  # not through `.data`: folded copies must notice the change
                parameter.copy_(tensors[f"weight.{name}"])
            optimiser.state[parameter] = _moments(tensors, name, parameter)
        best = {name: tensors[f"best.{name}"].to(p.device) for name, p in named.items() if f"best.{name}" in tensors}
        return Progress(curve, best or None)

    def _read(self) -> tuple[list[Row], dict[str, Tensor]] | None:
        """The stored curve and tensors; None if nothing is stored."""
        path = self.place.kept() if self.place else None
        if path is None:
            return None
        with safe_open(path, framework="pt") as opened:
            curve = json.loads(opened.metadata()["tavlad"])["curve"]
            return curve, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)


def _moments(tensors: dict[str, Tensor], name: str, parameter: Tensor) -> dict[str, Any]:
    """Adam's state of one parameter; empty for one without gradients (the fc bias, which CAMs do not use)."""
    stored = {moment: f"adam.{moment}.{name}" for moment in ("step", "exp_avg", "exp_avg_sq")}
    moments = {moment: tensors[key] for moment, key in stored.items() if key in tensors}
    # Adam keeps its step count on the CPU, its moments on the parameter's device
    return {moment: value if moment == "step" else value.to(parameter.device) for moment, value in moments.items()}


def finish(place: Place, model: TAVLAD, facts: Facts, curve: Sequence[Row]) -> None:
    """Write the trained model and its learning curve to the folder `place`."""
    place.path.mkdir()
    save_checkpoint(place.path / "model.safetensors", model, facts)
    write_curve(place.path, curve)

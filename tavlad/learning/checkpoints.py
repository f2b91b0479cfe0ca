"""A model on disk: safetensors weights with all that is needed to rebuild it and to feed it; loading runs no code."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from tavlad.model.tavlad import TAVLAD


@dataclass(frozen=True)
class Facts:
    """What a checkpoint knows besides its weights; `precision` is the parameter, which each device reads for itself.

    The frame path (frames to jpeg_quality) is None after stage 1, which has seen no frame.
    """

    classes: tuple[str, ...]
    precision: str
    recipe: str
    frames: int | None = None
    short_side: int | None = None
    crop: int | None = None
    jpeg_quality: int | None = None


def save_checkpoint(file: Path, model: TAVLAD, facts: Facts) -> None:
    """Write the model's state, its settings and `facts` to `file`; the same input gives the same bytes."""
    # one metadata key: safetensors writes several in random order
    header = json.dumps({"model": model.settings, "facts": asdict(facts)}, sort_keys=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, file, metadata={"tavlad": header})


def load_checkpoint(path: Path) -> tuple[TAVLAD, Facts]:
    """The model in evaluation mode, and its facts, from a checkpoint file or from the folder of a stage's split."""
    return TAVLAD.from_checkpoint(path), read_facts(path)


def read_facts(path: Path) -> Facts:
    """The facts of a checkpoint, without its weights."""
    file = path / "model.safetensors" if path.is_dir() else path
    with safe_open(file, framework="pt") as opened:
        facts = json.loads(opened.metadata()["tavlad"])["facts"]
    return Facts(**{**facts, "classes": tuple(facts["classes"])})

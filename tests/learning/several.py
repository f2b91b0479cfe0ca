"""What the processes of tests/learning/test_processes.py run: trainings in float64, by as many processes as there are.

`python -m tests.learning.several every OUT` trains each variant and writes weights and curves to OUT; `... resumed OUT
STORE KILL` trains one with its state in STORE, and process 1 kills itself in epoch KILL (0: never); `... found OUT`
asks for a result twice, and once for one that process 1 would make otherwise.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from tavlad import console
from tavlad.data.table import Examples
from tavlad.errors import TavladError
from tavlad.learning import launching
from tavlad.learning.checkpoints import EpochState
from tavlad.learning.curve import Row
from tavlad.learning.dropout import SharedDropout
from tavlad.learning.fitting import PARTS, Feed, Schedule, fit, select
from tavlad.learning.loading import Clips, EpochSampler, loader
from tavlad.learning.processes import rank, summed
from tavlad.learning.validation import validator
from tavlad.learning.weighting import clip_weights
from tavlad.model.tavlad import TAVLAD
from tavlad.store import making
from tavlad.store.making import Place
from tavlad.store.store import Store
from tests.models import small_model

CPU = torch.device("cpu")
LABELS = [0, 0, 0, 0, 0, 1, 1, 1, 2]  # nine clips in batches of four: the last batch has one
SCHEDULE = Schedule(2, 0.01, 0.02, 1, micro_batch=3, clip=0.5, eps=1e-8, weight_decay=0.1, class_weights="balanced")
VARIANTS: list[dict[str, Any]] = [
    *({"temporal": name} for name in ("gru", "bigru", "sum", "gru_flat", "gru_separate")),
    *({"assignment": name} for name in ("tied", "hard")),
    *({"attention_pool": name, "attention_scale": 1} for name in ("mean", "standard")),
    {"attention": "none"},
    {"attention": "none", "temporal": "sum", "pooling": "avg"},
    *({"attention": name, "backbone": True} for name in ("joint", "decoupled")),
]


def values(frames: bool, clip: str, epoch: int) -> Tensor:
    """Frames (T, 3, H, W) or maps (T, C, H, W) of a clip."""
    shape = (2, 3, 32, 32) if frames else (2, 512, 2, 2)
    return torch.rand(shape, generator=torch.Generator().manual_seed(7 * int(clip) + epoch), dtype=torch.float64)


def trained(variant: dict[str, Any], dropout: float, state: EpochState) -> tuple[TAVLAD, list[Row]]:
    """The model after the epochs of SCHEDULE, and its curve."""
    frames, chosen = "backbone" in variant, {name: value for name, value in variant.items() if name != "backbone"}
    network = "regnet_y_400mf" if frames else "resnet18"
    model = small_model(3, seed=1, backbone=frames, network=network, **chosen).double()
    model.dropout = SharedDropout(dropout)
    apply = model if frames else model.forward_maps

    def logits(ids: Sequence[str], inputs: Tensor, epoch: int) -> Tensor:
        return apply(inputs)

    def scores(clip: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return apply(torch.from_numpy(clip)[None])[0].numpy()

    ids = tuple(str(number) for number in range(len(LABELS)))
    sampler = EpochSampler(len(ids), 4, seed=5)
    batches = loader(Clips(ids, LABELS, partial(values, frames)), sampler, 0, CPU)
    weights = clip_weights(SCHEDULE.class_weights, LABELS, 3)
    feed = Feed(batches, sampler, logits, weights)
    held_out = Examples(tuple("abcde"), (0, 1, 2, 0, 1))
    validate = validator(model, held_out, lambda clip: values(frames, str(ord(clip)), 0).numpy(), scores, 0)
    return model, fit(model, select(model, PARTS), SCHEDULE, feed, validate, state, "test")


def every() -> tuple[dict[str, Tensor], dict[str, list[Row]]]:
    """Weights and curves of all variants, without and with dropout."""
    weights, curves = {}, {}
    for variant, dropout in product(VARIANTS, (0.0, 0.5)):
        name = json.dumps([variant, dropout])
        model, curves[name] = trained(variant, dropout, EpochState(None))
        weights |= {f"{name} {part}": tensor.detach() for part, tensor in model.named_parameters() if moves(tensor)}
    return weights, curves


def moves(parameter: Tensor) -> bool:
    """Whether training has moved it: it has had a gradient."""
    return parameter.grad is not None


class Deadly(EpochState):
    """The state of a training whose process 1 is killed when it has finished epoch `kill`."""

    def __init__(self, place: Place | None, kill: int):
        super().__init__(place)
        self.kill = kill

    def save(self, progress: Any, named: Any, optimiser: torch.optim.Adam) -> None:
        super().save(progress, named, optimiser)
        summed([0.0])  # process 0 has written the state, or it could be killed before
        print(f"process {rank()} finished epoch {len(progress.curve)}", flush=True)
        if rank() == 1 and len(progress.curve) == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)


def make(place: Place | None, arguments: str, speed: None) -> None:
    """Made by all: process 0 writes what the others sent, and each says that it was here."""
    print(f"process {rank()} makes {arguments}", flush=True)
    total = summed([rank() + 1.0])
    if place is not None:
        place.path.write_text(f"{arguments} {total}")


def found(folder: Path, group: Any) -> None:
    """Twice the same result, then one that process 1 asks for by another name."""
    making.made_by = launching.made_by = lambda module: {"code": f"code {rank() // 2}", "versions": {}}
    for arguments in ("a", "a", f"b{rank()}"):
        if rank():
            launching.help_make(make, arguments, None, group)
        else:
            launching.made_together(Store(folder), "stage1", make, arguments, None, group)


def write(folder: Path, weights: dict[str, Tensor], curves: dict[str, list[Row]]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "weights.safetensors")
    (folder / "curves.json").write_text(json.dumps(curves))


def main(what: str, out: Path, *rest: str) -> None:
    with launching.joined(CPU) as group:
        if what == "found":
            found(out, group)
            return
        if what == "every":
            weights, curves = every()
        else:
            store = Store(Path(rest[0])) if rank() == 0 else None
            place = Place(store, "stage1", "key", store.aside()) if store else None
            model, curve = trained({}, 0.5, Deadly(place, int(rest[1])))
            weights, curves = model.state_dict(), {"": curve}
        if rank() == 0:
            write(out, weights, curves)


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
    except TavladError as error:
        console.print_error(error, sys.stderr)
        sys.exit(1)

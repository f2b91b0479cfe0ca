"""The held-out clips of a split, scored one by one with each stage's final model. Only `evaluate` imports this."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tavlad import console
from tavlad.device import Speed, make_deterministic
from tavlad.features import cache
from tavlad.inputs import Input, Inputs
from tavlad.learning.checkpoints import load_checkpoint
from tavlad.learning.examples import Examples
from tavlad.learning.inference import cached_maps, logits_of, maps_of_frames
from tavlad.learning.looks import Look, look, save_looks
from tavlad.learning.scores import Predictions
from tavlad.making import Place
from tavlad.video import frames

Read = Callable[[Path], np.ndarray]  # a clip's file -> its frames, or its maps
Sight = Callable[[np.ndarray], tuple[np.ndarray, Look]]  # frames or maps -> logits (Y), and where the model looks

READ: dict[str, Read] = {"stage1": partial(cache.read_maps, view=0), "stage2": frames.read_frames_file}


@dataclass(frozen=True)
class Scoring:
    """What is scored by the `model` of "stage1" (`inputs` are maps) or "stage2" (frames), and in which precision."""

    stage: str
    examples: Examples
    classes: tuple[str, ...]
    inputs: Inputs
    model: Input
    precision: str
    deterministic: bool


def make(place: Place, wanted: Scoring, speed: Speed) -> None:
    """Write predictions.h5 and looks.h5 to the folder `place`."""
    if wanted.deterministic:
        make_deterministic()
    sight = sight_of(wanted.stage, wanted.model.path, wanted.classes, speed.device, wanted.precision)

    def read(clip: str) -> np.ndarray:
        return READ[wanted.stage](wanted.inputs.file(clip))

    predictions, looks = predict(wanted.examples, wanted.classes, read, sight, speed.workers, speed.label)
    place.path.mkdir()
    predictions.save(place.path / "predictions.h5")
    save_looks(place.path / "looks.h5", predictions.ids, looks)


def require_files(examples: Examples, folders: Sequence[Path]) -> None:
    """Raise `Failures` naming every held-out clip without a file in one of `folders`, or that none is held out."""
    files = [(clip, folder / f"{clip}.h5") for folder in folders for clip in examples.ids]
    rows = [(clip, f"{file} is missing") for clip, file in files if not file.exists()]
    if not examples.ids:
        rows = [("test", "the split holds out no clip")]
    if rows:
        raise console.Failures("held-out clips cannot be scored", rows, "`dvc repro` runs the stages that make them.")


def sight_of(stage: str, checkpoint: Path, classes: tuple[str, ...], device: torch.device, precision: str) -> Sight:
    """From one clip's maps ("stage1") or frames ("stage2") to what the model in `checkpoint` makes of it."""
    model, facts = load_checkpoint(checkpoint)
    if facts.classes != classes:
        raise ValueError(f"{checkpoint} was trained on other classes than the index names, or in another order")
    crop = facts.crop
    if stage == "stage2" and crop is None:
        raise ValueError(f"{checkpoint} has seen no frame: it is no checkpoint of stage 2")
    model.to(device)

    def sight(values: np.ndarray) -> tuple[np.ndarray, Look]:
        if stage == "stage2" and crop is not None:
            maps, seen = maps_of_frames(model, values, crop, precision, device)
        else:
            maps = seen = cached_maps(values, device)
        return logits_of(model, maps, seen, precision), look(model, maps, seen)

    return sight


def predict(
    examples: Examples, classes: tuple[str, ...], read: Callable[[str], np.ndarray], sight: Sight, workers: int,
    label: str,
) -> tuple[Predictions, list[Look]]:  # fmt: skip
    """The predictions and looks of `examples`, in their order; `workers` threads read ahead, behind a bar `label`."""
    inputs = console.track(_ahead(read, examples.ids, workers), label, len(examples.ids), "clips")
    logits, looks = zip(*(sight(values) for values in inputs), strict=True)
    return Predictions(examples.ids, np.asarray(examples.labels, np.int64), np.stack(logits), classes), list(looks)


def _ahead(read: Callable[[str], np.ndarray], ids: Sequence[str], workers: int) -> Iterator[np.ndarray]:
    """What `read` gives for each id, in order; no more than `workers` + 1 of them wait in memory."""
    with ThreadPoolExecutor(workers + 1) as pool:
        waiting: deque[Future[np.ndarray]] = deque()
        for name in ids:
            waiting.append(pool.submit(read, name))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

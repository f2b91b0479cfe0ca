"""The held-out clips of a split, scored one by one with each stage's final model. Only `evaluate` imports this."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tavlad import console
from tavlad.features import cache
from tavlad.learning.checkpoints import load_checkpoint
from tavlad.learning.examples import Examples
from tavlad.learning.inference import cached_maps, logits_of, maps_of_frames
from tavlad.learning.looks import Look, look, save_looks
from tavlad.learning.scores import Predictions
from tavlad.recipes import digest, file_digest
from tavlad.store import Store
from tavlad.video import frames

Read = Callable[[Path], np.ndarray]  # a clip's file -> its frames, or its maps
Sight = Callable[[np.ndarray], tuple[np.ndarray, Look]]  # frames or maps -> logits (Y), and where the model looks

RECIPE = {"stage1": cache.read_recipe, "stage2": frames.read_recipe}
READ: dict[str, Read] = {"stage1": partial(cache.read_maps, view=0), "stage2": frames.read_frames_file}


def require_files(examples: Examples, folders: Sequence[Path]) -> None:
    """Raise `Failures` naming every held-out clip without a file in one of `folders`, or that none is held out."""
    files = [(clip, folder / f"{clip}.h5") for folder in folders for clip in examples.ids]
    rows = [(clip, f"{file} is missing") for clip, file in files if not file.exists()]
    if not examples.ids:
        rows = [("test", "the split holds out no clip")]
    if rows:
        raise console.Failures("held-out clips cannot be scored", rows, "`dvc repro` runs the stages that make them.")


def entry(
    store: Store, stage: str, checkpoint: Path, folder: Path, examples: Examples, classes: tuple[str, ...],
    device: torch.device, workers: int, label: str, common: Mapping[str, Any],
) -> Path:  # fmt: skip
    """The store's folder of predictions.h5 and looks.h5 of "stage1" (`folder` holds maps) or "stage2" (frames), made
    if need be. `common` is the caller's part of the recipe: versions and code."""
    recipe = {
        "examples": [examples.labelled(), classes],
        "inputs": {clip: RECIPE[stage](folder / f"{clip}.h5") for clip in examples.ids},
        "model": file_digest(checkpoint / "model.safetensors"),
        **common,
    }
    key = digest([stage, recipe])
    if store.find("evaluate", key) is None:
        sight = sight_of(stage, checkpoint, classes, device)
        made, looks = predict(
            examples, classes, lambda clip: READ[stage](folder / f"{clip}.h5"), sight, workers, f"{label} {stage}"
        )
        with store.create("evaluate", key) as aside:
            aside.mkdir()
            made.save(aside / "predictions.h5")
            save_looks(aside / "looks.h5", made.ids, looks)
    return store.get("evaluate", key)


def sight_of(stage: str, checkpoint: Path, classes: tuple[str, ...], device: torch.device) -> Sight:
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
            maps, seen = maps_of_frames(model, values, crop, facts.precision, device)
        else:
            maps = seen = cached_maps(values, device)
        return logits_of(model, maps, seen, facts.precision), look(model, maps, seen)

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

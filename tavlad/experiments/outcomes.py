"""The results of the runs, read through DVC at each experiment's own commit; nothing is checked out."""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

from dvc.api import DVCFileSystem

from tavlad.data.dag import FILE, trained_splits
from tavlad.data.reversal import Pairs, read_pairs
from tavlad.data.table import read_clips
from tavlad.experiments.plan import Run
from tavlad.learning.scores import Predictions

TRAINED = ("temporal.", "classifier.")  # in stage 1
FILES = {"stage1": "predictions_stage1.h5", "stage2": "predictions.h5"}
CLIPS, REVERSALS = "data/index/clips.csv", "data/index/reversals.csv"

Content = TypeVar("Content")


@dataclass(frozen=True, eq=False)
class Outcome:
    """One run: by stage the predictions of each split and the total training time in seconds (None if found in the work
    store); the group of each clip id; the pairs of time-reversed classes; the number of parameters trained in stage 1;
    each split's metrics.json."""

    run: Run
    predictions: dict[str, list[Predictions]]
    groups: dict[str, str]
    pairs: Pairs
    seconds: dict[str, float | None]
    parameters: int
    metrics: list[dict[str, Any]]


def read_outcome(run: Run, revision: str, timings: Path) -> Outcome:
    """The outcome of `run` at Git `revision`; a run that stopped after stage 1 has no results of stage 2."""
    files = DVCFileSystem(rev=revision)
    splits = trained_splits(files.read_text(FILE, encoding="utf-8"))
    stages = ["stage1"] if run.stage1 else ["stage1", "stage2"]
    headers = {
        stage: [_header(files, f"data/{stage}/{split}/model.safetensors") for split in splits] for stage in stages
    }
    return Outcome(
        run,
        {
            stage: [_local(files, f"data/evaluate/{split}/{FILES[stage]}", Predictions.load) for split in splits]
            for stage in stages
        },
        {clip.id: clip.group for clip in _local(files, CLIPS, read_clips)},
        _local(files, REVERSALS, read_pairs),
        {stage: _seconds(timings, [_recipe(header) for header in headers[stage]]) for stage in stages},
        _trained(headers["stage1"][0]),
        [json.loads(files.read_text(f"data/evaluate/{split}/metrics.json")) for split in splits],
    )


def _local(files: DVCFileSystem, path: str, read: Callable[[Path], Content]) -> Content:
    """The result of `read` on a temporary local copy of `path`."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, Path(path).name)
        files.get_file(path, str(local))
        return read(local)


def _header(files: DVCFileSystem, path: str) -> dict[str, Any]:
    """The header of a safetensors file: its length in 8 bytes, then JSON; the weights are not read."""
    with files.open(path, "rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header


def _recipe(header: Mapping[str, Any]) -> str:
    return str(json.loads(header["__metadata__"]["tavlad"])["facts"]["recipe"])


def _trained(header: Mapping[str, Any]) -> int:
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name.startswith(TRAINED))


def _seconds(timings: Path, recipes: Iterable[str]) -> float | None:
    """The seconds of the trainings by `recipes`, summed; None if any is missing in the store's notes."""
    lines = timings.read_text(encoding="utf-8").splitlines() if timings.exists() else []
    taken = {line["key"]: line["seconds"] for line in map(json.loads, lines) if "key" in line and line["new"]}
    found = [taken.get(recipe) for recipe in recipes]
    return None if None in found else float(sum(second for second in found if second is not None))


def by_variant(outcomes: Sequence[Outcome], stage: str) -> dict[str, list[Outcome]]:
    """The outcomes that reached `stage`, by variant, one per seed, in seed order.

    Of two runs of one variant and seed, one of them stopped after stage 1, the complete one is used.
    """
    found: dict[str, dict[int, Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda one: not one.run.stage1):
        if stage in outcome.predictions:
            found.setdefault(outcome.run.variant, {})[outcome.run.seed] = outcome
    return {variant: [seeds[seed] for seed in sorted(seeds)] for variant, seeds in found.items()}

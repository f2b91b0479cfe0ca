"""Stage evaluate@split: the held-out clips of one split; the only stage that reads them."""

import time
from pathlib import Path
from typing import ClassVar, Literal

import click
from pydantic import NonNegativeInt, PositiveInt

from tavlad import console, device
from tavlad.clips.table import read_classes
from tavlad.learning import held_out
from tavlad.learning.examples import read_examples
from tavlad.learning.scores import Predictions
from tavlad.params import Section
from tavlad.recipes import code, versions
from tavlad.report.evaluation import write_evaluation
from tavlad.store import Store, fresh, publish


class Parameters(Section):
    """Section `evaluate`; in the score `top<top>` a clip is right if its class is among the `top` highest."""

    section: ClassVar[str] = "evaluate"
    shared: ClassVar[tuple[str, ...]] = ("device", "workers")
    silent: ClassVar[tuple[str, ...]] = ("device", "workers")
    top: PositiveInt
    device: Literal["auto", "cpu", "cuda"]
    workers: NonNegativeInt


@click.command()
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("frames", type=click.Path(path_type=Path))
@click.argument("stage1", type=click.Path(path_type=Path))
@click.argument("stage2", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, features: Path, frames: Path, stage1: Path, stage2: Path, output: Path) -> None:
    """Score the held-out clips of SPLIT with the models in STAGE1 and STAGE2 and write what they say to OUTPUT."""
    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    stage = f"evaluate@{split}"
    with store.lock(stage):
        examples, classes = read_examples(index, split, "test"), tuple(read_classes(index / "classes.txt"))
        held_out.require_files(examples, (features, frames))
        common = {"versions": versions("torch", "numpy", "pillow"), "code": code(held_out)}
        how = device.choose(params.device), params.workers, stage, common
        first = held_out.entry(store, "stage1", stage1, features, examples, classes, *how)
        final = held_out.entry(store, "stage2", stage2, frames, examples, classes, *how)
        fresh(output)
        publish(first, output / "predictions_stage1.h5")
        publish(final, output / "predictions.h5")
        predictions = {"stage1": Predictions.load(first), "stage2": Predictions.load(final)}
        line = write_evaluation(output, index, split, predictions, params.top)
        store.record(stage, {"seconds": time.monotonic() - started, "clips": len(examples.ids)})
    console.done(f"{stage}: {line}")


if __name__ == "__main__":
    main()

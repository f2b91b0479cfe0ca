"""Stage stage1@split: GRU and classifier from cached maps."""

import time
from pathlib import Path
from typing import ClassVar, Literal

import click
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from tavlad import console
from tavlad import device as devices
from tavlad.clips.table import read_classes
from tavlad.features.backbone import backbone_digest, load_backbone
from tavlad.features.cache import read_recipe
from tavlad.learning import stage1
from tavlad.learning.checkpoints import Facts
from tavlad.learning.codebook import load_codebook
from tavlad.learning.examples import read_examples
from tavlad.learning.fitting import Schedule
from tavlad.learning.outcome import describe, finish
from tavlad.learning.resuming import EpochState
from tavlad.params import Section
from tavlad.recipes import code, digest, versions
from tavlad.store import Store, publish

MODEL = (
    "hidden",
    "alpha",
    "attention",
    "attention_scale",
    "attention_pool",
    "temporal",
    "assignment",
    "pooling",
    "features",
)


class Parameters(Section):
    """Section `stage1`, and the keys that choose the model."""

    section: ClassVar[str] = "stage1"
    shared: ClassVar[tuple[str, ...]] = (*MODEL, "seed", "device", "workers", "precision", "deterministic")
    silent: ClassVar[tuple[str, ...]] = ("device", "workers")
    epochs: PositiveInt
    lr: PositiveFloat
    halve_every: PositiveInt
    batch: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    clip: NonNegativeFloat
    eps: PositiveFloat
    weight_decay: NonNegativeFloat
    hidden: PositiveInt
    alpha: PositiveFloat
    attention: Literal["joint", "decoupled", "none"]
    attention_scale: Literal[1, "N"]
    attention_pool: Literal["sum", "mean"]
    temporal: Literal["gru", "bigru", "sum", "gru_flat", "gru_separate"]
    assignment: Literal["soft", "tied", "hard"]
    pooling: Literal["vlad", "avg"]
    features: Literal["relu", "pre_relu"]
    seed: NonNegativeInt
    device: Literal["auto", "cpu", "cuda"]
    workers: NonNegativeInt
    precision: Literal["auto", "float32", "bfloat16"]
    deterministic: bool

    def schedule(self) -> Schedule:
        """These numbers as the training loop takes them."""
        return Schedule(
            self.epochs, self.lr, self.lr, self.halve_every, self.batch, self.clip, self.eps, self.weight_decay
        )


@click.command()
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("backbone", type=click.Path(path_type=Path))
@click.argument("codebook", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, features: Path, backbone: Path, codebook: Path, output: Path) -> None:
    """Train stage 1 of SPLIT on the maps under FEATURES and write model.safetensors and curve.csv to OUTPUT."""
    params, store = Parameters.load(), Store.open()
    stage, device = f"stage1@{split}", devices.choose(params.device)
    with store.lock(stage):
        started = time.monotonic()  # waiting for another run's training is no part of this one
        training, validation = (read_examples(index, split, part) for part in ("train", "validation"))
        classes = tuple(read_classes(index / "classes.txt"))
        centers, codebook_facts = load_codebook(codebook)
        key = digest(
            {
                "examples": [training.labelled(), validation.labelled(), classes],
                "features": {clip: read_recipe(features / f"{clip}.h5") for clip in training.ids + validation.ids},
                "inputs": [codebook_facts["recipe"], backbone_digest(backbone)],
                "params": {**params.deciding(), "precision": devices.precision(params.precision, device)},
                "versions": versions("torch", "numpy"),
                "code": code(stage1),
            }
        )
        new = store.find("stage1", key) is None
        if new:
            if params.deterministic:
                devices.make_deterministic()
            weights = load_backbone(backbone)
            model = stage1.build(
                centers,
                weights,
                len(classes),
                params.seed,
                dropout=params.dropout,
                **params.model_dump(include=set(MODEL)),
            )
            state = EpochState(store, "stage1", key)
            curve = stage1.train(
                model, features, training, validation, params.schedule(), params.batch, params.seed,
                device, params.precision, params.workers, state, stage,
            )  # fmt: skip
            finish(store, "stage1", model, Facts(classes, params.precision, key), curve)
            state.discard()
        publish(store.get("stage1", key), output)
    console.done(f"{stage}: {describe(output)}")
    store.record(stage, {"seconds": time.monotonic() - started, "key": key, "new": new})


if __name__ == "__main__":
    main()

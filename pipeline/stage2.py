"""Stage stage2@split: end to end from frames, from stage 1's checkpoint on."""

import time
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import click
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from tavlad import console
from tavlad import device as devices
from tavlad.features.backbone import backbone_digest, load_backbone
from tavlad.learning import stage2
from tavlad.learning.checkpoints import Facts, load_checkpoint, read_facts
from tavlad.learning.examples import read_examples
from tavlad.learning.fitting import Schedule
from tavlad.learning.outcome import describe, finish
from tavlad.learning.parts import select
from tavlad.learning.resuming import EpochState
from tavlad.params import Section
from tavlad.recipes import code, digest, versions
from tavlad.store import Store, publish
from tavlad.video.frames import read_recipe

Part = Literal["layer4", "downsample", "batchnorm", "fc", "vlad", "gru", "classifier"]


class Parameters(Section):
    """Section `stage2`."""

    section: ClassVar[str] = "stage2"
    shared: ClassVar[tuple[str, ...]] = ("crop", "seed", "device", "workers", "precision", "deterministic")
    silent: ClassVar[tuple[str, ...]] = ("device", "workers")
    epochs: NonNegativeInt  # 0: the model as stage 1 left it, with its backbone
    lr: PositiveFloat
    lr_head: PositiveFloat
    halve_every: PositiveInt
    batch: PositiveInt
    micro_batch: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    clip: NonNegativeFloat
    eps: PositiveFloat
    weight_decay: NonNegativeFloat
    train: Annotated[list[Part], Field(min_length=1)]
    augment: bool
    crop: PositiveInt
    seed: NonNegativeInt
    device: Literal["auto", "cpu", "cuda"]
    workers: NonNegativeInt
    precision: Literal["auto", "float32", "bfloat16"]
    deterministic: bool

    def schedule(self) -> Schedule:
        """These numbers as the training loop takes them."""
        return Schedule(
            self.epochs,
            self.lr,
            self.lr_head,
            self.halve_every,
            self.micro_batch,
            self.clip,
            self.eps,
            self.weight_decay,
        )


@click.command()
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("frames", type=click.Path(path_type=Path))
@click.argument("backbone", type=click.Path(path_type=Path))
@click.argument("stage1", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, frames: Path, backbone: Path, stage1: Path, output: Path) -> None:
    """Train stage 2 of SPLIT from FRAMES and the model in STAGE1; write model.safetensors and curve.csv to OUTPUT."""
    params, store = Parameters.load(), Store.open()
    stage, device = f"stage2@{split}", devices.choose(params.device)
    with store.lock(stage):
        started = time.monotonic()  # waiting for another run's training is no part of this one
        training, validation = (read_examples(index, split, part) for part in ("train", "validation"))
        before = read_facts(stage1)
        key = digest(
            {
                "examples": [training.labelled(), validation.labelled()],
                "frames": {clip: read_recipe(frames / f"{clip}.h5") for clip in training.ids + validation.ids},
                "inputs": [before.recipe, backbone_digest(backbone)],
                "params": {**params.deciding(), "precision": devices.precision(params.precision, device)},
                "versions": versions("torch", "torchvision", "numpy", "pillow"),
                "code": code(stage2),
            }
        )
        new = store.find("stage2", key) is None
        if new:
            if params.deterministic:
                devices.make_deterministic()
            model, _ = load_checkpoint(stage1)
            model.dropout.p = params.dropout
            stage2.attach_backbone(model, load_backbone(backbone))
            state = EpochState(store, "stage2", key)
            parts = select(model, params.train)
            curve = stage2.train(
                model, parts, frames, training, validation, params.schedule(), params.batch, params.crop,
                params.augment, params.seed, device, params.precision, params.workers, state, stage,
            )  # fmt: skip
            path = stage2.frame_path(frames, training)
            facts = Facts(before.classes, params.precision, key, crop=params.crop, **path)
            finish(store, "stage2", model, facts, curve)
            state.discard()
        publish(store.get("stage2", key), output)
    console.done(f"{stage}: {describe(output)}")
    store.record(stage, {"seconds": time.monotonic() - started, "key": key, "new": new})


if __name__ == "__main__":
    main()

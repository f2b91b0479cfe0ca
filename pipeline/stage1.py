"""Stage stage1@split: GRU and classifier from cached maps."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import click
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.code import own_code
from tavlad import console
from tavlad.clips.table import read_classes
from tavlad.inputs import Input
from tavlad.outputs import publish
from tavlad.params import Section
from tavlad.store import Store

if TYPE_CHECKING:
    from tavlad.learning.fitting import Schedule

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

    def schedule(self) -> "Schedule":
        """These numbers as the training loop takes them."""
        from tavlad.learning.fitting import Schedule

        return Schedule(
            self.epochs, self.lr, self.lr, self.halve_every, self.batch, self.clip, self.eps, self.weight_decay
        )


@click.command()
@own_code
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("backbone", type=click.Path(path_type=Path))
@click.argument("codebook", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, features: Path, backbone: Path, codebook: Path, output: Path) -> None:
    """Train stage 1 of SPLIT on the maps under FEATURES and write model.safetensors and curve.csv to OUTPUT."""
    from tavlad import device as devices
    from tavlad import making
    from tavlad.errors import gpu_explained
    from tavlad.features.backbone import backbone_digest
    from tavlad.features.cache import inputs
    from tavlad.learning import stage1
    from tavlad.learning.codebook import load_codebook
    from tavlad.learning.examples import read_examples
    from tavlad.report.training import describe

    params, store, stage = Parameters.load(), Store.open(), f"stage1@{split}"
    speed = devices.Speed(devices.choose(params.device), params.workers, stage)
    training, validation = (read_examples(index, split, part) for part in ("train", "validation"))
    wanted = stage1.Training(
        training, validation, tuple(read_classes(index / "classes.txt")),
        maps=inputs(features, training.ids + validation.ids),
        backbone=Input(backbone, backbone_digest(backbone)),
        codebook=Input(codebook, str(load_codebook(codebook)[1]["recipe"])),
        model=params.model_dump(include={*MODEL, "dropout"}),
        schedule=params.schedule(), batch=params.batch, seed=params.seed,
        precision=devices.precision(params.precision, speed.device), precision_parameter=params.precision,
        deterministic=params.deterministic,
    )  # fmt: skip
    with store.output(stage, output), gpu_explained("stage1.batch"):
        made = making.made(store, "stage1", stage1.make, wanted, speed)
        publish(made.path, output)
    store.record(stage, {"seconds": made.seconds, "key": made.key, "new": made.new})
    console.done(f"{stage}: {describe(output)}")


if __name__ == "__main__":
    main()

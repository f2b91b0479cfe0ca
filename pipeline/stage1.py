"""Stage stage1@split: GRU and classifier from cached maps."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click
from pydantic import PositiveFloat, PositiveInt

from pipeline.code import own_code
from pipeline.training import TrainingSection, describe
from tavlad import console
from tavlad.data.table import read_classes, read_examples
from tavlad.model import settings
from tavlad.store.inputs import Input
from tavlad.store.making import made, publish
from tavlad.store.store import Store

if TYPE_CHECKING:
    from tavlad.learning.fitting import Schedule


class Parameters(TrainingSection):
    """Section `stage1`, and the keys that choose the model."""

    section: ClassVar[str] = "stage1"
    shared: ClassVar[tuple[str, ...]] = (*settings.CHOSEN, "seed", "device", "workers", "precision", "deterministic")
    silent: ClassVar[tuple[str, ...]] = ("device", "workers")
    epochs: PositiveInt
    hidden: PositiveInt
    alpha: PositiveFloat
    attention: settings.Attention
    attention_scale: settings.AttentionScale
    attention_pool: settings.AttentionPool
    temporal: settings.Temporal
    assignment: settings.Assignment
    pooling: settings.Pooling
    features: settings.Features

    def model(self, classes: int, network: settings.NetworkName) -> settings.ModelSettings:
        """The model that these numbers choose, for so many classes, on the maps of `network`."""
        chosen = self.model_dump(include={*settings.CHOSEN, "dropout"})
        return settings.ModelSettings(classes, network=network, **chosen)

    def schedule(self) -> "Schedule":
        """These numbers as the training loop takes them."""
        from tavlad.learning.fitting import Schedule

        return Schedule(
            self.epochs,
            self.lr,
            self.lr,
            self.halve_every,
            self.batch,
            self.clip,
            self.eps,
            self.weight_decay,
            self.class_weights,
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
    """Train stage 1 of SPLIT on the maps under FEATURES and write the model, its curve and its card to OUTPUT."""
    from tavlad import device as devices
    from tavlad.errors import gpu_explained
    from tavlad.features.backbone import backbone_digest, backbone_source, network_of
    from tavlad.features.cache import maps_inputs
    from tavlad.learning import stage1
    from tavlad.learning.codebook import load_codebook
    from tavlad.report.card import write_card

    params, store, stage = Parameters.load(), Store.open(), f"stage1@{split}"
    speed = devices.Speed(devices.choose(params.device), params.workers, stage)
    classes = tuple(read_classes(index / "classes.txt"))
    training, validation = (read_examples(index, split, part) for part in ("train", "validation"))
    wanted = stage1.Stage1(
        training,
        validation,
        classes,
        maps=maps_inputs(features, training.ids + validation.ids),
        backbone=Input(backbone, backbone_digest(backbone)),
        codebook=Input(codebook, str(load_codebook(codebook)[1]["recipe"])),
        model=params.model(len(classes), network_of(backbone)),
        schedule=params.schedule(),
        batch=params.batch,
        seed=params.seed,
        precision=devices.precision(params.precision, speed.device),
        precision_parameter=params.precision,
        deterministic=params.deterministic,
    )
    with store.output(stage, output), gpu_explained("stage1.batch"):
        result = made(store, "stage1", stage1.make_stage1, wanted, speed)
        publish(result.path, output)
        write_card(output, params.described(stage, training, validation, backbone_source(backbone)))
    store.record(stage, {"seconds": result.seconds, "key": result.key, "new": result.new})
    console.done(f"{stage}: {describe(output)}")


if __name__ == "__main__":
    main()

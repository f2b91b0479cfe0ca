"""Stage `stage1@split`: train GRU and classifier on cached maps."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click
from pydantic import PositiveFloat, PositiveInt

from pipeline.code import own_code
from pipeline.training import SPEED, TrainingSection, start, train
from tavlad.data.table import read_classes, read_examples
from tavlad.model import settings
from tavlad.store.inputs import Input

if TYPE_CHECKING:
    from tavlad.learning.fitting import Schedule


class Parameters(TrainingSection):
    """Section `stage1`, and the keys that define the model."""

    section: ClassVar[str] = "stage1"
    shared: ClassVar[tuple[str, ...]] = (*settings.CHOSEN, "seed", *SPEED, "precision", "deterministic")
    silent: ClassVar[tuple[str, ...]] = SPEED
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
        """The settings of the model with these parameters, for `classes` classes, on the maps of `network`."""
        chosen = self.model_dump(include={*settings.CHOSEN, "dropout"})
        return settings.ModelSettings(classes, network=network, **chosen)

    def schedule(self) -> "Schedule":
        """These parameters, for the training loop."""
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
    """Train stage 1 of SPLIT on the maps in FEATURES and write the model, its curve and its card to OUTPUT."""
    from tavlad import device as devices
    from tavlad.features.backbone import backbone_digest, backbone_source, network_of
    from tavlad.features.cache import maps_inputs
    from tavlad.learning import launching, stage1
    from tavlad.learning.codebook import load_codebook

    params = Parameters.load()
    speed = start(params, "stage1", f"stage1@{split}")
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
        processes=launching.processes(),
    )
    card = params.described(speed.label, training, validation, backbone_source(backbone))
    train("stage1", stage1.make_stage1, wanted, speed, card, output)


if __name__ == "__main__":
    main()

"""Stage `stage2@split`: train end to end from frames, starting from stage 1's checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import click
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.code import own_code
from pipeline.training import SPEED, TrainingSection, start, train
from tavlad.data.table import read_examples
from tavlad.model.settings import Part
from tavlad.store.inputs import Input

if TYPE_CHECKING:
    from tavlad.learning.fitting import Schedule


class Parameters(TrainingSection):
    """Section `stage2`."""

    section: ClassVar[str] = "stage2"
    shared: ClassVar[tuple[str, ...]] = ("crop", "seed", *SPEED, "precision", "deterministic")
    silent: ClassVar[tuple[str, ...]] = SPEED
    epochs: NonNegativeInt  # 0: the unchanged model of stage 1, with its backbone
    lr_head: PositiveFloat
    micro_batch: PositiveInt
    train: Annotated[list[Part], Field(min_length=1)]
    augment: bool
    crop: PositiveInt

    def schedule(self) -> "Schedule":
        """These parameters, for the training loop."""
        from tavlad.learning.fitting import Schedule

        return Schedule(
            self.epochs,
            self.lr,
            self.lr_head,
            self.halve_every,
            self.micro_batch,
            self.clip,
            self.eps,
            self.weight_decay,
            self.class_weights,
        )


@click.command()
@own_code
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("frames", type=click.Path(path_type=Path))
@click.argument("backbone", type=click.Path(path_type=Path))
@click.argument("stage1", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, frames: Path, backbone: Path, stage1: Path, output: Path) -> None:
    """Train stage 2 of SPLIT from FRAMES and the model in STAGE1; write the model, its curve and its card to OUTPUT."""
    from tavlad import device as devices
    from tavlad.features.backbone import backbone_digest, backbone_source
    from tavlad.learning import launching, stage2
    from tavlad.learning.checkpoints import read_facts
    from tavlad.video.frames import frames_inputs

    params = Parameters.load()
    speed = start(params, "stage2", f"stage2@{split}")
    training, validation = (read_examples(index, split, part) for part in ("train", "validation"))
    wanted = stage2.Stage2(
        training,
        validation,
        frames=frames_inputs(frames, training.ids + validation.ids),
        backbone=Input(backbone, backbone_digest(backbone)),
        stage1=Input(stage1, read_facts(stage1).recipe),
        parts=tuple(params.train),
        schedule=params.schedule(),
        batch=params.batch,
        crop=params.crop,
        augment=params.augment,
        dropout=params.dropout,
        seed=params.seed,
        precision=devices.precision(params.precision, speed.device),
        precision_parameter=params.precision,
        deterministic=params.deterministic,
        processes=launching.processes(),
    )
    card = params.described(speed.label, training, validation, backbone_source(backbone))
    train("stage2", stage2.make_stage2, wanted, speed, card, output)


if __name__ == "__main__":
    main()

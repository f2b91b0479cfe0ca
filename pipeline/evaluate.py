"""Stage `evaluate@split`: score the held-out clips of one split; no other stage scores them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click
from pydantic import PositiveInt

from pipeline.code import own_code
from tavlad import console
from tavlad.data.table import Examples, read_classes, read_clips, read_examples
from tavlad.params import Device, Section, Workers
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import fresh, made, publish
from tavlad.store.recipes import file_digest
from tavlad.store.store import Store

if TYPE_CHECKING:
    from tavlad.device import Speed
    from tavlad.learning.pooled import Pooled


class Parameters(Section):
    """Section `evaluate`; in the score `top<top>` a clip counts as right if its class is among the `top` highest."""

    section: ClassVar[str] = "evaluate"
    shared: ClassVar[tuple[str, ...]] = ("deterministic", "device", "workers")
    silent: ClassVar[tuple[str, ...]] = ("device", "workers")
    top: PositiveInt
    deterministic: bool
    device: Device
    workers: Workers


@click.command()
@own_code
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("frames", type=click.Path(path_type=Path))
@click.argument("stage1", type=click.Path(path_type=Path))
@click.argument("stage2", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, features: Path, frames: Path, stage1: Path, stage2: Path, output: Path) -> None:
    """Score the held-out clips of SPLIT with the models in STAGE1 and STAGE2 and write the results to OUTPUT."""
    from tavlad import device as devices
    from tavlad.errors import gpu_explained
    from tavlad.features import cache
    from tavlad.learning import scoring
    from tavlad.learning.checkpoints import read_facts
    from tavlad.learning.curve import read_curve
    from tavlad.report.evaluation import cropped_boxes, write_evaluation
    from tavlad.video import frames as frame_store

    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    stage, device = f"evaluate@{split}", devices.choose(params.device)
    examples, classes = read_examples(index, split, "test"), tuple(read_classes(index / "classes.txt"))
    scoring.require_files(examples, (features, frames))

    def scored(name: str, model: Path, inputs: Inputs) -> Path:
        file = model / "model.safetensors"
        precision = devices.precision(read_facts(model).precision, device)
        wanted = scoring.Scoring(
            name, examples, classes, inputs, Input(file, file_digest(file)), precision, params.deterministic
        )
        speed = devices.Speed(device, params.workers, f"{stage} {name}")
        return made(store, "evaluate", scoring.make_scores, wanted, speed).path

    with store.output(stage, output), gpu_explained("frames"):
        first = scored("stage1", stage1, cache.maps_inputs(features, examples.ids))
        # after 0 epochs the model is that of stage 1: reuse its scores from cached maps instead of starting from frames
        trained = len(read_curve(stage2)["epoch"]) > 0
        final = scored("stage2", stage2, frame_store.frames_inputs(frames, examples.ids)) if trained else first
        speed = devices.Speed(device, params.workers, f"{stage} average pooling")
        linear = averaged(store, split, index, pooled_of(index, features, stage1), speed)
        publish_scores(first, final, linear, output)
        boxes = cropped_boxes(index / "boxes.csv", frames, examples.ids, read_facts(stage2).crop)
        line = write_evaluation(output, index, split, params.top, boxes)
    store.record(stage, {"seconds": time.monotonic() - started, "clips": len(examples.ids)})
    console.done(f"{stage}: {line}")


def pooled_of(index: Path, features: Path, model: Path) -> "Pooled":
    """The maps of all clips in `features`, described by the settings of `model`, which was trained on them."""
    from tavlad.features.cache import maps_inputs
    from tavlad.learning.checkpoints import read_settings
    from tavlad.learning.pooled import Pooled

    settings = read_settings(model)
    maps = maps_inputs(features, [clip.id for clip in read_clips(index / "clips.csv")])
    return Pooled(maps, settings.network, settings.features)


def averaged(store: Store, split: str, index: Path, maps: "Pooled", speed: "Speed") -> Path:
    """The predictions of average pooling and a linear layer, fitted to all clips of `split` that are not held out.

    The maps are read once for all splits and all models.
    """
    from tavlad.learning import average, pooled

    groups = {clip.id: clip.group for clip in read_clips(index / "clips.csv")}
    train, validation, held_out = (read_examples(index, split, part) for part in ("train", "validation", "test"))
    learned = Examples(train.ids + validation.ids, train.labels + validation.labels)
    means = made(store, "pooled", pooled.make_pooled, maps, speed)
    wanted = average.Average(
        learned,
        tuple(groups[clip] for clip in learned.ids),
        held_out,
        tuple(read_classes(index / "classes.txt")),
        Input(means.path, means.key),
    )
    return made(store, "average", average.make_average, wanted, None).path


def publish_scores(first: Path, final: Path, linear: Path, output: Path) -> None:
    """Publish the scores of stage 1, of stage 2 and of the linear layer to `output`."""
    from tavlad.learning.orders import SCORED
    from tavlad.report.evaluation import AVERAGE, FILES

    fresh(output)
    for end, folder in zip(FILES.values(), (first, final), strict=True):
        for kind in (*SCORED.values(), "attention"):
            publish(folder / f"{kind}.h5", output / f"{kind}{end}.h5")
    publish(linear, output / AVERAGE)


if __name__ == "__main__":
    main()

"""Stage `extract`: the layer-4 maps of every clip, view 0 the centre crop, the others augmented draws."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Literal

import click
from pydantic import Field, NonNegativeInt, PositiveInt

from tavlad import console
from tavlad import device as devices
from tavlad.clips.table import read_clips
from tavlad.features import cache, extraction, layer4
from tavlad.features.backbone import backbone_digest, load_backbone
from tavlad.params import Section
from tavlad.recipes import code, versions
from tavlad.store import Store, fresh, publish
from tavlad.video import frames as frame_store


class Parameters(Section):
    """Section `extract`."""

    section: ClassVar[str] = "extract"
    shared: ClassVar[tuple[str, ...]] = ("crop", "features", "precision", "device", "workers")
    silent: ClassVar[tuple[str, ...]] = ("batch", "device", "workers")
    views: PositiveInt
    seed: NonNegativeInt
    batch: int = Field(ge=3)  # a lone frame may run through other kernels than a batch does
    crop: PositiveInt
    features: Literal["relu", "pre_relu"]
    precision: Literal["auto", "float32", "bfloat16"]
    device: Literal["auto", "cpu", "cuda"]
    workers: NonNegativeInt


@click.command()
@click.argument("clips", type=click.Path(path_type=Path))
@click.argument("frames", type=click.Path(path_type=Path))
@click.argument("backbone", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
def main(clips: Path, frames: Path, backbone: Path, features: Path) -> None:
    """Write the maps of the CLIPS (clips.csv), whose stored FRAMES go through BACKBONE, to the folder FEATURES."""
    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    with store.lock("extract"):
        device = devices.choose(params.device)
        precision = devices.precision(params.precision, device)
        facts = {
            "backbone": backbone_digest(backbone),
            "params": {**params.deciding(), "precision": precision},
            "versions": versions("torch", "torchvision", "h5py", "numpy", "pillow"),
            "code": code(layer4, frame_store, cache),
        }
        jobs = extraction.plan([clip.id for clip in read_clips(clips)], frames, facts)
        todo, seen = extraction.missing(store, jobs), 0
        if todo:
            weights, pre_relu = load_backbone(backbone), params.features == "pre_relu"
            network = layer4.folded_backbone(weights, pre_relu, precision, device)
            views = extraction.Views(params.views, params.seed, params.crop, params.batch)
            seen = extraction.extract(store, todo, network, views, params.workers + 1, facts)
        fresh(features)
        for job in jobs:
            publish(store.get("extract", job.key), features / f"{job.clip_id}.h5")
        made = extraction.Made(len(jobs), len(todo), params.views, seen, time.monotonic() - started)
        store.record("extract", asdict(made))
    console.done(made.line(features))


if __name__ == "__main__":
    main()

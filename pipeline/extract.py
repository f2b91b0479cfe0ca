"""Stage `extract`: the layer-4 maps of every clip; view 0 is the centre crop, the others are random augmentations."""

import time
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click
from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline.code import own_code
from tavlad import console
from tavlad.data.table import read_clips
from tavlad.errors import TavladError
from tavlad.model.settings import Features
from tavlad.params import Device, Precision, Section, Workers
from tavlad.store.inputs import Input
from tavlad.store.making import fresh, made_all, publish
from tavlad.store.store import Store

if TYPE_CHECKING:
    from tavlad.features import extraction

ADVICE = "All other clips' maps are kept. Run stage 'decode' again, or name these clips under dataset.exclude."
LOWER = "extract.batch"


class Parameters(Section):
    """Section `extract`."""

    section: ClassVar[str] = "extract"
    shared: ClassVar[tuple[str, ...]] = ("crop", "features", "precision", "deterministic", "device", "workers")
    silent: ClassVar[tuple[str, ...]] = ("batch", "device", "workers")
    views: PositiveInt
    seed: NonNegativeInt
    batch: int = Field(ge=3)  # a single frame may use other kernels than a batch
    crop: PositiveInt
    features: Features
    precision: Precision
    deterministic: bool
    device: Device
    workers: Workers


@click.command()
@own_code
@click.argument("clips", type=click.Path(path_type=Path))
@click.argument("frames", type=click.Path(path_type=Path))
@click.argument("backbone", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
def main(clips: Path, frames: Path, backbone: Path, features: Path) -> None:
    """Write the maps of CLIPS (clips.csv), computed from the stored FRAMES with BACKBONE, to the folder FEATURES."""
    from pipeline.engine import Ray
    from tavlad import device as devices
    from tavlad.errors import gpu_explained
    from tavlad.features import cache, extraction
    from tavlad.features.backbone import backbone_digest

    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    cluster = Ray.load()
    device = devices.choose(cluster.device(params.device))
    wanted = extraction.Extraction(
        Input(backbone, backbone_digest(backbone)),
        params.features,
        devices.precision(params.precision, device),
        params.deterministic,
        params.views,
        params.seed,
        params.crop,
    )
    passes = extraction.Passes(cluster.network_device(device), params.batch, params.workers + 1)
    each = frames_of([clip.id for clip in read_clips(clips)], frames)
    engine = cluster.engine_for(extraction.Extractor, params.precision)
    results = made_all(store, "extract", engine(extraction.make_maps), wanted, each, passes, cache.read_maps_recipe)
    with store.output("extract", features), console.bar("extract", len(each), "clips") as advance, gpu_explained(LOWER):
        fresh(features)
        new, passed, bad = 0, 0, []
        for result in results:
            if result.path is None:
                bad.append((result.name, result.reason))
            else:
                publish(result.path, features / f"{result.name}.h5")
                new += result.new
                passed += prod(cache.read_shape(result.path)[:2]) if result.new else 0
            advance()
    if bad:
        raise TavladError(f"extract: {len(bad)} of {len(each)} clips failed", bad, ADVICE)
    seconds = time.monotonic() - started
    store.record("extract", {"clips": len(each), "new": new, "frames": passed, "seconds": seconds})
    size = sum(path.stat().st_size for path in features.rglob("*.h5")) / max(1, len(each))
    rate = f", {passed / seconds:.1f} frames/s" if new else ""
    made = f"{console.quantity(len(each), 'clip')} ({new} new), {console.quantity(params.views, 'view')}"
    console.done(f"extract: {made}, {size / 1e3:.1f} kB per clip{rate}")


def frames_of(clips: Sequence[str], frames: Path) -> "dict[str, extraction.Frames]":
    """The stored frames of each of `clips`; `TavladError` naming those without."""
    from tavlad.features import extraction
    from tavlad.video.frames import read_frames_recipe

    found, rows = {}, []
    for clip in clips:
        file = frames / f"{clip}.h5"
        try:
            found[clip] = extraction.Frames(clip, Input(file, read_frames_recipe(file)))
        except (OSError, ValueError) as error:
            rows.append((clip, f"no valid frame file at {file}: {error}"))
    if rows:
        count = console.quantity(len(rows), "clip")
        raise TavladError(f"extract: no frames of {count}", rows, "Run `dvc repro` to decode them.")
    return found


if __name__ == "__main__":
    main()

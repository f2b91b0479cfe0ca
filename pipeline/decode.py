"""Stage `decode`: T frames of every clip, as JPEG, one file per clip."""

import time
from pathlib import Path
from typing import ClassVar

import click
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipeline.code import own_code
from pipeline.dataset import Dataset
from tavlad import console
from tavlad.data.table import read_clips
from tavlad.params import Section, Workers
from tavlad.store.making import fresh, publish
from tavlad.store.store import Store

COUNTS = "counts.csv"


class Parameters(Section):
    """The number and size of frames; how much may be missing or damaged (`Tolerance`); the limits per clip: `deadline`
    in seconds, `memory` in megabytes."""

    section: ClassVar[str] = "decode"
    shared: ClassVar[tuple[str, ...]] = ("frames", "short_side", "workers")
    silent: ClassVar[tuple[str, ...]] = ("min_frames", "tolerance", "damage", "deadline", "memory", "workers")
    frames: PositiveInt
    short_side: PositiveInt
    jpeg_quality: int = Field(ge=1, le=100)
    min_frames: PositiveInt
    tolerance: float = Field(ge=0, le=1)
    damage: NonNegativeFloat
    deadline: PositiveFloat
    memory: PositiveInt
    workers: Workers


@click.command()
@own_code
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
def main(table: Path, output: Path) -> None:
    """Decode the clips of TABLE (clips.csv), in dataset.root, to OUTPUT/<clip id>.h5, with counts in counts.csv."""
    from pipeline.engine import Ray
    from tavlad.video.batch import Tally, Tolerance, decode_all
    from tavlad.video.decode import Decoder, Limits, Sampling

    root, params, store, started = Dataset.load().folder(), Parameters.load(), Store.open(), time.monotonic()
    limits = Limits(params.workers, params.deadline, params.memory)
    tally = Tally(Tolerance(params.min_frames, params.tolerance, params.damage))
    sampling, clips = Sampling(params.frames, params.short_side, params.jpeg_quality), read_clips(table)
    engine = Ray.load().engine_for(Decoder)
    with store.output("decode", output), console.bar("decode", len(clips), "clips") as advance:
        fresh(output)
        for result in decode_all(store, clips, root, sampling, limits, engine):
            if entry := tally.add(result):
                publish(entry, output / f"{result.name}.h5")
            advance()
        tally.write_counts(output / COUNTS)
    if warning := tally.checked():
        console.warn(f"{warning}: see {output / COUNTS}")
    store.record("decode", {"seconds": time.monotonic() - started, "clips": len(clips), "new": tally.new})
    console.done(tally.line(params.frames))


if __name__ == "__main__":
    main()

"""What Ray costs a clip: the engines `local` and `ray`, of this machine alone, take turns in one process.

Both are started before the clock; then each makes a round of clips, the other having nothing to do but the clips that
are on their way. Of each the fewest seconds of a round count, and the processor time of all rounds, of all processes.
The table has the ratios, whether all bytes are equal, and the memory that the driver held after the first and after the
last round. Two cores say what the way through Ray costs, and nothing of speed-up.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import psutil

from benchmarks.place import Sizes, Workplace, workplace
from tavlad import console
from tavlad.cluster.driver import spread
from tavlad.cluster.nodes import Slice
from tavlad.cluster.session import Cluster
from tavlad.features import extraction
from tavlad.features.backbone import backbone_digest
from tavlad.features.cache import read_maps_recipe
from tavlad.store.inputs import Input
from tavlad.store.making import Result, made_all
from tavlad.store.recipes import file_digest
from tavlad.store.store import Store
from tavlad.video import decode
from tavlad.video.frames import read_frames_recipe

Run = Callable[[Store, Callable[[Any], Any], int], Iterator[Result]]


@dataclass(frozen=True)
class Measured:
    """Of one stage, on each engine: the least seconds a clip, and the processor's; equal files of so many; the driver's
    bytes."""

    stage: str
    seconds: tuple[float, float]
    processor: tuple[float, float]
    equal: int
    clips: int
    first: int
    last: int


@click.command(help=__doc__)
@click.option("--rounds", default=6, show_default=True, type=click.IntRange(min=2))
@click.option("--decoded", default=40, show_default=True, help="Clips that are decoded in a round.")
@click.option("--extracted", default=12, show_default=True, help="Clips of which maps are made in a round.")
def main(rounds: int, decoded: int, extracted: int) -> None:
    """The module's docstring is the help."""
    with workplace(Sizes()) as place:
        actors = Slice(1, 0, 1), Slice(place.cores, 0, place.cores + 1)
        engines = (
            partial(spread, opener=decode.Decoder, cluster=Cluster("", False), wanted=actors[0]),
            partial(
                spread,
                opener=extraction.Extractor,
                cluster=Cluster("", False),
                wanted=actors[1],
                precision=place.precision,
            ),
        )
        rows = [
            measured("decode", partial(_decoded, place), engines[0], (rounds, decoded), (place.cores, place.cores)),
            measured("extract", partial(_extracted, place), engines[1], (rounds, extracted), (0, actors[1].lanes)),
        ]
    heads = ["stage", "a clip: local, ray", "ratio", "processor: local, ray", "ratio", "bytes equal"]
    heads += ["driver, first round", "last round"]
    console.table("", heads, map(_row, rows))


def measured(
    stage: str, run: Run, engine: Callable[[Any], Any], size: tuple[int, int], ahead: tuple[int, int]
) -> Measured:
    """Rounds of clips (`size`) by both engines in turns, after one that does not count.

    Of the clips of a round, so many (`ahead`) were made in the other engine's turn.
    """
    rounds, clips = size
    count = clips * (rounds + 2)  # what is made while nobody asks belongs to no round
    stores = Store(Path(f"local-{stage}").absolute()), Store(Path(f"ray-{stage}").absolute())
    running = run(stores[0], lambda make: make, count), run(stores[1], engine, count)
    seconds, processor = (list[float](), list[float]()), (list[float](), list[float]())
    results, memory = (list[Result](), list[Result]()), list[int]()
    for _ in range(rounds + 1):
        for one, times, used, found, before in zip(running, seconds, processor, results, ahead, strict=True):
            start, busy = time.perf_counter(), _processor_time()
            found += islice(one, clips)
            times.append((time.perf_counter() - start) / (clips - before))
            used.append((_processor_time() - busy) / (clips - before))
        memory.append(psutil.Process().memory_info().rss)
    for one, found in zip(running, results, strict=True):
        found += one  # to its end
    files = [{one.name: one.path.read_bytes() for one in found if one.path} for found in results]
    equal = sum(files[0][name] == files[1].get(name) for name in files[0])
    least, mean = (min(seconds[0][1:]), min(seconds[1][1:])), (fmean(processor[0][1:]), fmean(processor[1][1:]))
    return Measured(stage, least, mean, equal, count, memory[1], memory[-1])


def _processor_time() -> float:
    """Seconds of this process and of all that it has started, of which Ray's are some."""
    total = 0.0
    for one in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            total += sum(one.cpu_times()[:2])
    return total


def _decoded(place: Workplace, store: Store, engine: Callable[[Any], Any], count: int) -> Iterator[Result]:
    numbers, files = place.decode, [Input(path, file_digest(path)) for path in place.videos]
    each = {str(one): decode.Video(str(one), files[one % len(files)]) for one in range(count)}
    sampling = decode.Sampling(numbers.frames, numbers.short_side, numbers.jpeg_quality)
    limits = decode.Limits(place.cores, numbers.deadline, numbers.memory)
    return made_all(store, "decode", engine(decode.make_frames), sampling, each, limits, read_frames_recipe)


def _extracted(place: Workplace, store: Store, engine: Callable[[Any], Any], count: int) -> Iterator[Result]:
    numbers, files = place.extract, [place.frames / f"{one}.h5" for one in range(len(place.videos))]
    inputs = [Input(path, read_frames_recipe(path)) for path in files]
    each = {str(one): extraction.Frames(str(one), inputs[one % len(inputs)]) for one in range(count)}
    backbone = Input(place.backbone, backbone_digest(place.backbone))
    settings = numbers.features, place.precision, numbers.deterministic, 1, numbers.seed, numbers.crop
    wanted = extraction.Extraction(backbone, *settings)
    passes = extraction.Passes(place.device, numbers.batch, numbers.workers + 1)
    return made_all(store, "extract", engine(extraction.make_maps), wanted, each, passes, read_maps_recipe)


def _row(one: Measured) -> console.Row:
    memory = (f"{size / 1e6:.0f} MB" for size in (one.first, one.last))
    cells = []
    for local, ray in (one.seconds, one.processor):
        cells += [f"{1000 * local:.0f} ms, {1000 * ray:.0f} ms", f"{ray / local:.2f}"]
    return console.Row((one.stage, *cells, f"{one.equal} of {one.clips}", *memory))


if __name__ == "__main__":
    main()

"""From frames to cached maps and back: extract, cache write, cache read, codebook sampling."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.floors import network_seconds, write_raw
from benchmarks.place import Workplace, quiet
from benchmarks.timing import Best, Part, Row, timed
from tavlad.features.cache import read_maps, write_maps
from tavlad.learning.codebook import sample_descriptors

EACH = 10  # descriptors per clip, about as many as in the presets
FEW = 4  # clips per descriptor where descriptors are few


def features(place: Workplace) -> Part:
    """The runs and rows of this module."""
    sizes, views, files = (
        place.sizes,
        place.extract.views,
        [place.maps / f"{one}.h5" for one in place.ids(clips(place))],
    )
    maps = [np.stack([read_maps(file, view) for view in range(views)]) for file in files]
    folder = place.folder / "raw"
    folder.mkdir()
    ids, few = place.ids(sizes.sampled), sizes.sampled // FEW
    runs = {
        "extract": timed(lambda: place.run_extract(sizes.clips, place.folder / "extracted")),
        "cache write": timed(lambda: _write(place, maps)),
        "raw write": timed(lambda: write_raw(folder, maps)),
        "cache read": timed(lambda: [read_maps(file, view) for file in files for view in range(views)]),
        "raw read": timed(lambda: [np.fromfile(folder / f"{number}.raw", np.float16) for number in range(len(files))]),
        "codebook sampling": timed(lambda: _sample(place, ids, EACH * len(ids))),
        "few descriptors": timed(lambda: _sample(place, ids, few)),
    }
    return Part(runs, [_chosen(place), _extract(place), *_cache(place, maps), *_sampling(place, len(files) * views)])


def clips(place: Workplace) -> int:
    """The number of clips whose maps are written and read: at least one per thread."""
    return min(place.sizes.clips, max(place.sizes.videos, 2 * place.cores))


def _chosen(place: Workplace) -> Row:
    def fastest(best: Best) -> float:
        return min(best["network float32"], best["network bfloat16"])

    words = "the bare network in the faster of float32 and bfloat16"
    frames = place.decode.frames * place.extract.views
    name = f"precision: auto ({place.precision})"
    return Row(name, "frames/s", frames, lambda best: best[f"network {place.precision}"], fastest, words)


def _extract(place: Workplace) -> Row:
    frames = place.sizes.clips * place.decode.frames * place.extract.views
    words = f"the bare network in {place.precision}, all {place.extract.views} views of one clip per pass"
    return Row("extract", "frames/s", frames, lambda best: best["extract"], network_seconds(place, frames), words)


def _cache(place: Workplace, maps: list[np.ndarray]) -> list[Row]:
    size = sum(one.nbytes for one in maps) / 1e6
    return [
        Row(
            f"cache write, {place.cores} threads",
            "MB/s",
            size,
            lambda best: best["cache write"],
            lambda best: best["raw write"],
            "the same maps, uncompressed, written to raw files by one thread",
        ),
        Row(
            "cache read",
            "MB/s",
            size,
            lambda best: best["cache read"],
            lambda best: best["raw read"],
            "the same maps, uncompressed, read from raw files; one thread",
        ),
    ]


def _sampling(place: Workplace, read: int) -> list[Row]:
    """`read` is the number of views that "cache read" reads."""
    count = place.sizes.sampled
    words = "reading one view of as many clips from the cache, one thread, as in the row 'cache read'"
    return [
        Row(
            f"codebook sampling, {EACH} descriptors a clip",
            "clips/s",
            count,
            lambda best: best["codebook sampling"],
            lambda best: best["cache read"] * count / read,
            words,
        ),
        Row(
            f"codebook sampling, {FEW} clips a descriptor",
            "clips/s",
            count,
            lambda best: best["few descriptors"],
            lambda best: best["cache read"] * (count // FEW) / read,
            f"{words}, of every {FEW}th clip",
        ),
    ]


def _sample(place: Workplace, ids: Sequence[str], count: int) -> None:
    with quiet():
        sample_descriptors(place.maps, ids, count, 1)


def _write(place: Workplace, maps: list[np.ndarray]) -> None:
    folder = place.folder / "written"
    folder.mkdir(exist_ok=True)
    draws = [None] * place.extract.views

    def write(number: int) -> Path:
        path = folder / f"{number}.h5"
        path.unlink(missing_ok=True)
        write_maps(path, str(number), maps[number], "benchmark", draws, {})
        return path

    with ThreadPoolExecutor(place.cores) as pool:
        list(pool.map(write, range(len(maps))))

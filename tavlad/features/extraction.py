"""The stage's flow: frames are decoded ahead in threads, the network runs in this one, files are written behind it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tavlad import console
from tavlad.features import cache
from tavlad.features.layer4 import clip_maps
from tavlad.features.views import draws_of
from tavlad.model.resnet import Backbone
from tavlad.recipes import digest
from tavlad.store import Store
from tavlad.video.frames import read_frames_file, read_recipe

STAGE = "extract"
BEHIND = 2  # clips that may wait to be written
BAD_INPUT = (OSError, ValueError, KeyError, RuntimeError)  # a damaged file, a frame too small, memory of the GPU
ADVICE = "All other clips' maps are kept. Run stage 'decode' again, or name these clips under dataset.exclude."

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """One clip to extract: where its frames are and the key of its entry in the store."""

    clip_id: str
    frames: Path
    key: str


@dataclass(frozen=True)
class Views:
    """`count` views of `crop` pixels, drawn from `seed`, in passes of `batch` frames."""

    count: int
    seed: int
    crop: int
    batch: int


@dataclass(frozen=True)
class Made:
    """What one run of the stage did."""

    clips: int
    new: int
    views: int
    frames: int
    seconds: float

    def line(self, folder: Path) -> str:
        """One line for people; bytes are those of the files in `folder`."""
        size = sum(path.stat().st_size for path in folder.rglob("*.h5")) / max(1, self.clips)
        rate = f", {self.frames / self.seconds:.1f} frames/s" if self.new else ""
        return f"extract: {self.clips} clips ({self.new} new), {self.views} views, {size / 1e3:.1f} kB per clip{rate}"


def plan(clip_ids: Iterable[str], frames: Path, facts: Any) -> list[Job]:
    """A job per clip, keyed by the recipe of its frames and `facts`, all else that decides; Failures names the lost."""
    jobs, rows = [], []
    for clip_id in clip_ids:
        path = frames / f"{clip_id}.h5"
        try:
            jobs.append(Job(clip_id, path, digest({"clip": clip_id, "frames": read_recipe(path), **facts})))
        except BAD_INPUT as error:
            rows.append((clip_id, f"no file of the frame store at {path}: {error}"))
    if rows:
        raise console.Failures(f"{STAGE}: {len(rows)} clips have no frames", rows, "Run `dvc repro` to decode them.")
    return jobs


def missing(store: Store, jobs: Iterable[Job]) -> list[Job]:
    """The jobs that the store has no maps for; maps of another recipe do not count."""
    return [job for job in jobs if store.find_made(STAGE, job.key, cache.read_recipe) is None]


def extract(store: Store, jobs: Sequence[Job], network: Backbone, views: Views, readers: int, facts: Any) -> int:
    """Bring the maps of `jobs` into the store; the frames that went through. Failures, at the end, names bad clips."""

    def read(job: Job) -> np.ndarray:
        return read_frames_file(job.frames)

    def compute(job: Job, frames: np.ndarray) -> np.ndarray:
        return clip_maps(network, frames, draws_of(views.seed, job.clip_id, views.count), views.crop, views.batch)

    def write(job: Job, maps: np.ndarray) -> int:
        with store.create(STAGE, job.key) as aside:
            cache.write_maps(aside, job.clip_id, maps, job.key, draws_of(views.seed, job.clip_id, views.count), facts)
        return maps.shape[0] * maps.shape[1]

    rows, count = [], 0
    with console.bar(STAGE, len(jobs), "clips") as advance:
        for job, written in overlap(jobs, read, compute, write, readers):
            try:
                count += written.result()
            except BAD_INPUT as error:
                rows.append((job.clip_id, str(error) or type(error).__name__))
            advance()
    if rows:
        raise console.Failures(f"{STAGE}: {len(rows)} of {len(jobs)} clips failed", rows, ADVICE)
    return count


def overlap(
    items: Iterable[Item], read: Callable[[Item], Read], compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], int], readers: int,
) -> Iterator[tuple[Item, "Future[int]"]]:  # fmt: skip
    """Each item, in order, with what `write(item, compute(item, read(item)))` gave or raised, as a future that is done.

    `readers` threads read ahead, `compute` runs in the calling thread, one thread writes; few items wait between them.
    """
    source = iter(items)
    reading, writing = ThreadPoolExecutor(readers, "read"), ThreadPoolExecutor(1, "write")
    behind: deque[tuple[Item, Future[int]]] = deque()
    try:
        ahead = deque((item, reading.submit(read, item)) for item in islice(source, readers + 1))
        while ahead:
            item, frames = ahead.popleft()
            behind.append((item, _computed(item, frames, compute, write, writing)))
            ahead.extend((one, reading.submit(read, one)) for one in islice(source, 1))
            if len(behind) > BEHIND:
                yield _settled(*behind.popleft())
        for pair in behind:
            yield _settled(*pair)
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown()


def _computed(
    item: Item, pending: "Future[Read]", compute: Callable[[Item, Read], Result], write: Callable[[Item, Result], int],
    writing: ThreadPoolExecutor,
) -> "Future[int]":  # fmt: skip
    """The future of writing `item`; a failure before that is its exception."""
    try:
        return writing.submit(write, item, compute(item, pending.result()))
    except BAD_INPUT as error:
        failed: Future[int] = Future()
        failed.set_exception(error)
        return failed


def _settled(item: Item, future: "Future[int]") -> tuple[Item, "Future[int]"]:
    future.exception()  # waits
    return item, future

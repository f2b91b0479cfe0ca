"""From frames to maps: the backbone with batch-norm folded away; frames are read ahead, files written behind."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import torch

from tavlad import device as devices
from tavlad.features import cache
from tavlad.features.backbone import Weights, load_backbone
from tavlad.features.views import Draw, augmented_view, centre_view, draws_of
from tavlad.model.backbone import Backbone
from tavlad.model.network import fold
from tavlad.model.precision import DTYPES
from tavlad.store.inputs import Input
from tavlad.store.making import Place
from tavlad.video.jpeg import load_frames


def folded_backbone(weights: Weights, pre_relu: bool, precision: str, device: torch.device) -> Backbone:
    """The backbone for inference: batch-norm folded into convolutions, channels last.

    Folding is done in float32; "bfloat16" then stores the weights so, twice as fast as autocast leaves it on a CPU.
    """
    return fold(weights.backbone(pre_relu).eval()).to(device, DTYPES[precision]).to(memory_format=torch.channels_last)


def clip_maps(network: Backbone, frames: np.ndarray, draws: Sequence[Draw | None], crop: int, batch: int) -> np.ndarray:
    """Maps float16 (V,T,C,H,W) of one clip's frames uint8 (T,H,W,3), one view a draw (None: the centre crop).

    All V*T views go through `network` in passes of `batch`, never with those of another clip: the bytes of a clip do
    not depend on which others were still to do.
    """
    weight = next(network.parameters())
    on_device = torch.from_numpy(frames).to(weight.device)
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        views = [centre_view(on_device, crop) if one is None else augmented_view(on_device, one, crop) for one in draws]
        images = network.normalised(torch.cat(views)).to(weight.dtype, memory_format=torch.channels_last)
        parts = images.tensor_split(-(-len(images) // batch))  # even ones: none is so small that other kernels run
        maps = torch.cat([network(part).half() for part in parts])
    stored: np.ndarray = maps.unflatten(0, (len(draws), len(frames))).contiguous().cpu().numpy()
    return stored


BAD_INPUT = (ValueError, KeyError)  # a damaged file, a frame too small; no fault of the disk or of a GPU is among it

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Extraction:
    """What decides all clips' maps: the backbone, its features ("relu", "pre_relu") and precision ("float32",
    "bfloat16"), and how many views of `crop` pixels are drawn from `seed`."""

    backbone: Input
    features: str
    precision: str
    deterministic: bool
    views: int
    seed: int
    crop: int


@dataclass(frozen=True)
class Frames:
    """A clip's id, and its file of the frame store."""

    clip: str
    file: Input


@dataclass(frozen=True)
class Passes:
    """Where the network runs, how many frames at once, and how many threads read ahead, and as many write."""

    device: torch.device
    batch: int
    threads: int


def make_maps(
    wanted: Extraction, places: Iterator[tuple[Place, Frames]], passes: Passes
) -> Iterator[tuple[Place, str]]:
    """Fill each place with the maps of its clip; each place, and why it was not filled."""
    if wanted.deterministic:
        devices.make_deterministic()
    weights = load_backbone(wanted.backbone.path)
    network = folded_backbone(weights, wanted.features == "pre_relu", wanted.precision, passes.device)
    params = {name: value for name, value in asdict(wanted).items() if name != "backbone"}
    facts = {"backbone": wanted.backbone.digest, "params": params}

    def draws(frames: Frames) -> list[Draw | None]:
        return draws_of(wanted.seed, frames.clip, wanted.views)

    def read(item: tuple[Place, Frames]) -> np.ndarray:
        return load_frames(item[1].file.path)

    def compute(item: tuple[Place, Frames], frames: np.ndarray) -> np.ndarray:
        return clip_maps(network, frames, draws(item[1]), wanted.crop, passes.batch)

    def write(item: tuple[Place, Frames], maps: np.ndarray) -> None:
        place, frames = item
        about = [None if one is None else asdict(one) for one in draws(frames)]
        cache.write_maps(place.path, frames.clip, maps, place.key, about, facts)

    for (place, _), written in overlap(places, read, compute, write, passes.threads):
        error = written.exception()
        if error is not None and not isinstance(error, BAD_INPUT):
            raise error
        yield place, "" if error is None else str(error) or type(error).__name__


def overlap(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], None],
    threads: int,
) -> Iterator[tuple[Item, "Future[None]"]]:
    """Each item, in order, with what `write(item, compute(item, read(item)))` gave or raised, as a future that is done.

    `threads` threads read ahead, `compute` runs in the calling thread, and `threads` others write. At most
    `threads` + 1 items are read and wait to be computed, and as many are computed and not written.
    """
    source = iter(items)
    reading, writing = ThreadPoolExecutor(threads, "read"), ThreadPoolExecutor(threads, "write")
    behind: deque[tuple[Item, Future[None]]] = deque()
    try:
        ahead = deque((item, reading.submit(read, item)) for item in islice(source, threads + 1))
        while ahead:
            item, frames = ahead.popleft()
            behind.append((item, _computed(item, frames, compute, write, writing)))
            ahead.extend((one, reading.submit(read, one)) for one in islice(source, 1))
            if len(behind) > threads + 1:
                yield _settled(*behind.popleft())
        for pair in behind:
            yield _settled(*pair)
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown()


def _computed(
    item: Item,
    pending: "Future[Read]",
    compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], None],
    writing: ThreadPoolExecutor,
) -> "Future[None]":
    """The future of writing `item`; a failure before that is its exception."""
    try:
        return writing.submit(write, item, compute(item, pending.result()))
    except BAD_INPUT as error:
        failed: Future[None] = Future()
        failed.set_exception(error)
        return failed


def _settled(item: Item, future: "Future[None]") -> tuple[Item, "Future[None]"]:
    future.exception()  # waits
    return item, future

"""From frames to feature maps: the backbone with batch-norm folded into its convolutions."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from tavlad import device as devices
from tavlad.features import cache
from tavlad.features.backbone import Weights, load_backbone
from tavlad.features.overlap import BAD_INPUT, overlap
from tavlad.features.views import Draw, augmented_view, centre_view, draws_of
from tavlad.model.backbone import Backbone
from tavlad.model.network import fold
from tavlad.model.precision import DTYPES
from tavlad.store.inputs import Input
from tavlad.store.making import Place
from tavlad.video.frames import read_frames_recipe
from tavlad.video.jpeg import load_frames


def folded_backbone(weights: Weights, pre_relu: bool, precision: str, device: torch.device) -> Backbone:
    """The backbone for inference: batch-norm folded into convolutions, channels last.

    Folding is done in float32; "bfloat16" then converts the weights, which is twice as fast as autocast on a CPU.
    """
    return fold(weights.backbone(pre_relu).eval()).to(device, DTYPES[precision]).to(memory_format=torch.channels_last)


def clip_maps(network: Backbone, frames: np.ndarray, draws: Sequence[Draw | None], crop: int, batch: int) -> np.ndarray:
    """Maps float16 (V,T,C,H,W) of one clip's frames uint8 (T,H,W,3), one view per draw (None: the centre crop).

    The V*T images go through `network` in batches of at most `batch`, never mixed with another clip's: the bytes of a
    clip must not depend on which other clips remain to be done.
    """
    weight = next(network.parameters())
    on_device = torch.from_numpy(frames).to(weight.device)
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        views = [centre_view(on_device, crop) if one is None else augmented_view(on_device, one, crop) for one in draws]
        images = network.normalised(torch.cat(views)).to(weight.dtype, memory_format=torch.channels_last)
        parts = images.tensor_split(-(-len(images) // batch))  # of equal size: a small last one may use another kernel
        maps = torch.cat([network(part).half() for part in parts])
    stored: np.ndarray = maps.unflatten(0, (len(draws), len(frames))).contiguous().cpu().numpy()
    return stored


@dataclass(frozen=True)
class Extraction:
    """Settings that determine the maps of all clips: the backbone, its features ("relu", "pre_relu") and precision
    ("float32", "bfloat16"), and the number of views of `crop` pixels, drawn with `seed`."""

    backbone: Input
    features: str
    precision: str
    deterministic: bool
    views: int
    seed: int
    crop: int


@dataclass(frozen=True)
class Frames:
    """A clip's id, and its frame file."""

    clip: str
    file: Input


@dataclass(frozen=True)
class Passes:
    """The network's device, the frames per forward pass, and the number of threads for reading and for writing."""

    device: torch.device
    batch: int
    threads: int


class Extractor:
    """The network, loaded once, and the steps from a clip's frames to its cache file."""

    def __init__(self, wanted: Extraction, passes: Passes):
        if wanted.deterministic:
            devices.make_deterministic()
        weights = load_backbone(wanted.backbone.path)
        self.network = folded_backbone(weights, wanted.features == "pre_relu", wanted.precision, passes.device)
        self.wanted, self.batch, self._turn = wanted, passes.batch, threading.Lock()
        params = {name: value for name, value in asdict(wanted).items() if name != "backbone"}
        self.facts = {"backbone": wanted.backbone.digest, "params": params}

    @staticmethod
    def digest_of(path: Path) -> str:
        """The digest of a frame file, as in `Frames`: its recipe."""
        return read_frames_recipe(path)

    def read(self, frames: Frames) -> np.ndarray:
        """Frames uint8 (T,H,W,3)."""
        return load_frames(frames.file.path)

    def compute(self, frames: Frames, pixels: np.ndarray) -> np.ndarray:
        """Maps float16 (V,T,C,H,W); thread-safe, but one clip at a time."""
        with self._turn:
            return clip_maps(self.network, pixels, self._draws(frames), self.wanted.crop, self.batch)

    def write(self, frames: Frames, maps: np.ndarray, path: Path, key: str) -> None:
        """Write the maps to a new cache file at `path`, with `key` as its recipe."""
        about = [None if one is None else asdict(one) for one in self._draws(frames)]
        cache.write_maps(path, frames.clip, maps, key, about, self.facts)

    @staticmethod
    def job_of(frames: Frames) -> str:
        """Equal for no two clips: each has a pass of its own through the network."""
        return frames.clip

    def fill(self, clips: Sequence[tuple[Path, str, Frames]]) -> list[str]:
        """Run all steps for each of `clips`; the reasons why they failed, or ""."""
        return [self._fill(*one) for one in clips]

    def _fill(self, path: Path, key: str, frames: Frames) -> str:
        try:
            self.write(frames, self.compute(frames, self.read(frames)), path, key)
        except BAD_INPUT as error:
            return _why(error)
        return ""

    def _draws(self, frames: Frames) -> list[Draw | None]:
        return draws_of(self.wanted.seed, frames.clip, self.wanted.views)


def make_maps(
    wanted: Extraction, places: Iterator[tuple[Place, Frames]], passes: Passes
) -> Iterator[tuple[Place, str]]:
    """Fill each place with the maps of its clip; yields each place and why it was not filled, or ""."""
    extractor = Extractor(wanted, passes)

    def write(item: tuple[Place, Frames], maps: np.ndarray) -> None:
        extractor.write(item[1], maps, item[0].path, item[0].key)

    for (place, _), written in overlap(
        places,
        lambda item: extractor.read(item[1]),
        lambda item, pixels: extractor.compute(item[1], pixels),
        write,
        passes.threads,
    ):
        error = written.exception()
        if error is not None and not isinstance(error, BAD_INPUT):
            raise error
        yield place, "" if error is None else _why(error)


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__

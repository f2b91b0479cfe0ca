"""What a run costs: each stage's own code is timed on a few clips, and multiplied by what the data set holds."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from tavlad import device as devices
from tavlad.checking.estimate import Cost, Settings
from tavlad.data.table import Examples
from tavlad.features import extraction
from tavlad.features.backbone import write_backbone
from tavlad.features.cache import read_shape
from tavlad.features.views import centre_view
from tavlad.features.weights import random_weights
from tavlad.learning import stage1, stage2
from tavlad.learning.checkpoints import EpochState, Named, Progress
from tavlad.learning.inference import class_scores
from tavlad.model.resnet import CHANNELS
from tavlad.model.tavlad import TAVLAD
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import Place
from tavlad.store.store import Store
from tavlad.video.decode import decode_clip
from tavlad.video.jpeg import load_frames
from tavlad.video.workers import available_cpus

GPU_STEPS = 8  # timed together: reading overlaps with computing there, which one step cannot show
VIEWS = 2  # of each clip, the centre crop and an augmented one, stand for all
NONE = Examples((), ())
WEIGHTS_SEED = 1  # of the drawn weights that stand in for ImageNet's: they cost the same


class Stopwatch(EpochState):
    """Stands in for the state of a training and keeps the times between its epochs, and nothing else."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def load(self, named: Named, optimiser: torch.optim.Adam) -> Progress:
        """The first epoch begins; there is nothing to resume from."""
        self.times.append(time.perf_counter())
        return Progress()

    def save(self, progress: Progress, named: Named, optimiser: torch.optim.Adam) -> None:
        """An epoch has ended."""
        self.times.append(time.perf_counter())

    @property
    def last(self) -> float:
        """Seconds of the last epoch."""
        return self.times[-1] - self.times[-2]


def measure(videos: Sequence[Path], classes: int, settings: Settings) -> Cost:
    """The cost of `videos`, which decode, by really decoding, extracting, training and scoring them.

    RuntimeError or ValueError where a stage would fail: no memory, no GPU, a crop larger than the frames.
    """
    device = devices.choose(settings.extract.device)
    if settings.stage1.deterministic:
        devices.make_deterministic()
    with TemporaryDirectory(prefix="check-", dir=Store.open().scratch) as scratch:
        frames, features = Path(scratch, "frames"), Path(scratch, "features")
        ids = tuple(str(number) for number in range(len(videos)))
        decode = _decode(videos, ids, frames, settings)
        first = torch.from_numpy(load_frames(frames / "0.h5"))
        weights = random_weights(WEIGHTS_SEED, centre_view(first, settings.extract.crop))
        extract = _extract(ids, frames, features, weights, device, settings)
        model = _model(weights, classes, settings)
        trained = _stage1(model, ids, features, classes, device, settings)
        stage2.attach_backbone(model, weights)
        tuned = _stage2(model, ids, frames, classes, device, settings)
        model.eval()
        with _timed(len(ids)) as evaluate:
            for clip in ids:
                stored = load_frames(frames / f"{clip}.h5")
                class_scores(model, stored, settings.stage2.crop, settings.stage2.precision, device)
        size = sum(path.stat().st_size for path in frames.iterdir()) / len(ids)
        one_view = 2 * math.prod(read_shape(features / "0.h5")[1:])  # float16
        return Cost(decode, extract, trained, tuned, evaluate[0], size, one_view * settings.extract.views)


@contextmanager
def _timed(clips: int) -> Iterator[list[float]]:
    """A list that holds the seconds a clip when the block has ended."""
    seconds: list[float] = []
    start = time.perf_counter()
    yield seconds
    seconds.append((time.perf_counter() - start) / clips)


def _decode(videos: Sequence[Path], ids: Sequence[str], frames: Path, settings: Settings) -> float:
    numbers, cpus = settings.decode, available_cpus()
    sizes = numbers.frames, numbers.short_side, numbers.jpeg_quality
    frames.mkdir()
    decode_clip(str(videos[0]), str(frames.parent / "warm-up.h5"), "warm-up", *sizes, "check")
    with _timed(len(ids)) as seconds:
        for clip, video in zip(ids, videos, strict=True):
            decode_clip(str(video), str(frames / f"{clip}.h5"), clip, *sizes, "check")
    return seconds[0] / min(numbers.workers or cpus, cpus)


def _extract(
    ids: Sequence[str],
    frames: Path,
    features: Path,
    weights: dict[str, Tensor],
    device: torch.device,
    settings: Settings,
) -> float:
    numbers, backbone = settings.extract, features.parent / "backbone.safetensors"
    write_backbone(backbone, weights, "check")
    views = min(numbers.views, VIEWS)
    precision = devices.precision(numbers.precision, device)
    wanted = extraction.Extraction(
        Input(backbone, ""), numbers.features, precision, numbers.deterministic, views, numbers.seed, numbers.crop
    )
    network = extraction.folded_backbone(weights, numbers.features == "pre_relu", precision, device)
    one_frame = load_frames(frames / "0.h5")[:1]
    extraction.clip_maps(network, one_frame, [None], numbers.crop, numbers.batch)  # warms up
    features.mkdir()
    places = [Place(Store(features.parent / "store"), "extract", clip, features / f"{clip}.h5") for clip in ids]
    jobs = ((place, extraction.Frames(place.key, Input(frames / place.path.name, ""))) for place in places)
    passes = extraction.Passes(device, numbers.batch, numbers.workers + 1)
    with _timed(len(ids)) as seconds:
        for place, reason in extraction.make_maps(wanted, jobs, passes):
            if reason:
                raise ValueError(f"{place.key}: {reason}")
    return seconds[0] * numbers.views / views


def _model(weights: dict[str, Tensor], classes: int, settings: Settings) -> TAVLAD:
    drawn = torch.randn(settings.codebook.clusters, CHANNELS, generator=torch.Generator().manual_seed(WEIGHTS_SEED))
    chosen, seed = settings.stage1.model(classes), settings.stage1.seed
    return stage1.build_model(torch.nn.functional.normalize(drawn), weights, chosen, seed)


def _examples(ids: Sequence[str], count: int, classes: int) -> Examples:
    """`count` examples: the clips again and again."""
    return Examples(tuple(ids[i % len(ids)] for i in range(count)), tuple(i % classes for i in range(count)))


def _stage1(
    model: TAVLAD, ids: Sequence[str], features: Path, classes: int, device: torch.device, settings: Settings
) -> float:
    """Seconds a clip of a second epoch of one step, of several on a GPU."""
    numbers, watch = settings.stage1, Stopwatch()
    training = _examples(ids, numbers.batch * (GPU_STEPS if device.type == "cuda" else 1), classes)
    wanted = stage1.Stage1(
        training,
        NONE,
        (),
        maps=Inputs(features, ()),
        backbone=Input(features, ""),
        codebook=Input(features, ""),
        model=numbers.model(classes),
        schedule=replace(numbers.schedule(), epochs=2),
        batch=numbers.batch,
        seed=numbers.seed,
        precision=devices.precision(numbers.precision, device),
        precision_parameter=numbers.precision,
        deterministic=numbers.deterministic,
    )
    stage1.train_stage1(model, wanted, devices.Speed(device, numbers.workers, "stage1, timed"), watch)
    return watch.last / len(training.ids)


def _stage2(
    model: TAVLAD, ids: Sequence[str], frames: Path, classes: int, device: torch.device, settings: Settings
) -> float:
    """Seconds a clip; on a CPU of one step of the clips themselves, since a whole batch may take minutes there."""
    numbers, watch = settings.stage2, Stopwatch()
    gpu = device.type == "cuda"
    training = _examples(ids, numbers.batch * GPU_STEPS if gpu else min(numbers.batch, len(ids)), classes)
    wanted = stage2.Stage2(
        training,
        NONE,
        frames=Inputs(frames, ()),
        backbone=Input(frames, ""),
        stage1=Input(frames, ""),
        parts=tuple(numbers.train),
        schedule=replace(numbers.schedule(), epochs=2 if gpu else 1),
        batch=numbers.batch,
        crop=numbers.crop,
        augment=numbers.augment,
        dropout=numbers.dropout,
        seed=numbers.seed,
        precision=devices.precision(numbers.precision, device),
        precision_parameter=numbers.precision,
        deterministic=numbers.deterministic,
    )
    stage2.train_stage2(model, wanted, devices.Speed(device, numbers.workers, "stage2, timed"), watch)
    return watch.last / len(training.ids)

"""Measures the cost per clip of each stage by running the stage's own code on a few clips."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tavlad import device as devices
from tavlad.checking.dataset import Inventory
from tavlad.checking.estimate import GPU_STEPS, Cost, Settings, Stopwatch, clock
from tavlad.data.table import Examples
from tavlad.data.times import milliseconds
from tavlad.features import extraction
from tavlad.features.backbone import Weights, write_backbone
from tavlad.features.cache import read_shape
from tavlad.features.views import centre_view
from tavlad.features.weights import random_weights
from tavlad.learning import stage1, stage2
from tavlad.learning.inference import class_scores
from tavlad.model.tavlad import TAVLAD
from tavlad.params import available_cpus
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import Place
from tavlad.store.store import Store
from tavlad.video.decode import Wanted, decode_file
from tavlad.video.jpeg import load_frames

VIEWS = 2  # timed per clip, in place of all: the centre crop and an augmented view
NONE = Examples((), ())
WEIGHTS_SEED = 1  # for random weights, which cost as much as those from ImageNet


@dataclass(frozen=True)
class Sample:
    """A clip to measure: its file, and for one of its `segments`, which are decoded together, the time (ms)."""

    file: Path
    times: tuple[int, int] | None = None
    segments: int = 1


def samples(root: Path, names: Sequence[str], inventory: Inventory) -> list[Sample]:
    """Those of the clips `names` of an inventory of `root`."""
    entries = [inventory.entries.get(name) for name in names]
    shared = Counter(one.path for one in inventory.entries.values() if one.end)
    return [
        Sample(root / entry.path, (milliseconds(entry.start), milliseconds(entry.end)), shared[entry.path])
        if entry and entry.end
        else Sample(root / (entry.path if entry else name))
        for name, entry in zip(names, entries, strict=True)
    ]


def measure(videos: Sequence[Sample], classes: int, settings: Settings) -> Cost:
    """Measure the cost by decoding, extracting, training on and scoring `videos`, which must be decodable.

    A warm-up pass of each stage is not timed. RuntimeError or ValueError where a stage would fail: out of memory, no
    GPU, a crop larger than the frames.
    """
    device = devices.choose(settings.extract.device)
    if settings.stage1.deterministic:
        devices.make_deterministic()
    with TemporaryDirectory(prefix="check-", dir=Store.open().scratch) as scratch:
        frames, features = Path(scratch, "frames"), Path(scratch, "features")
        ids = tuple(str(number) for number in range(len(videos)))
        decode = _decode(videos, ids, frames, settings)
        first = torch.from_numpy(load_frames(frames / "0.h5"))
        weights = random_weights(settings.backbone.network, WEIGHTS_SEED, centre_view(first, settings.extract.crop))
        extract = _extract(ids, frames, features, weights, device, settings)
        model = _model(weights, classes, settings)
        trained = _stage1(model, ids, features, classes, device, settings)
        stage2.attach_backbone(model, weights)
        tuned = _stage2(model, ids, frames, classes, device, settings)
        evaluate = _evaluate(model, ids, frames, device, settings)
        size = sum(path.stat().st_size for path in frames.iterdir()) / len(ids)
        one_view = 2 * math.prod(read_shape(features / "0.h5")[1:])  # float16
        return Cost(decode, extract, trained, tuned, evaluate, size, one_view * settings.extract.views)


def _decode(videos: Sequence[Sample], ids: Sequence[str], frames: Path, settings: Settings) -> float:
    numbers = settings.decode
    sizes = numbers.frames, numbers.short_side, numbers.jpeg_quality
    frames.mkdir()
    cpu, seconds = torch.device("cpu"), 0.0
    made_twice = (videos[0], frames.parent / "warm-up.h5")
    for video, output in (made_twice, *((one, frames / f"{clip}.h5") for clip, one in zip(ids, videos, strict=True))):
        start = clock(cpu)
        decode_file(str(video.file), [Wanted(output.stem, video.times, str(output), "check")], *sizes)
        seconds += (clock(cpu) - start) / video.segments if output.parent == frames else 0
    return seconds / len(ids) / min(max(1, numbers.workers), available_cpus())


def _extract(
    ids: Sequence[str],
    frames: Path,
    features: Path,
    weights: Weights,
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
    passes = extraction.Passes(device, numbers.batch, numbers.workers + 1)
    features.mkdir()
    store, started = Store(features.parent / "store"), list[float]()

    def jobs(names: Sequence[str]) -> Iterator[tuple[Place, extraction.Frames]]:
        started.append(clock(device))  # the network is loaded by now
        for number, name in enumerate(names):
            clip = ids[number % len(ids)]
            place = Place(store, "extract", clip, features / f"{name}.h5")
            yield place, extraction.Frames(clip, Input(frames / f"{clip}.h5", ""))

    count = len(ids) * (GPU_STEPS if device.type == "cuda" else 1)
    for names in (["warm-up"], [str(number) for number in range(count)]):
        for place, reason in extraction.make_maps(wanted, jobs(names), passes):
            if reason:
                raise ValueError(f"{place.key}: {reason}")
    return (clock(device) - started[-1]) / count * numbers.views / views


def _model(weights: Weights, classes: int, settings: Settings) -> TAVLAD:
    size = settings.codebook.clusters, weights.classifier()["weight"].shape[1]
    drawn = torch.randn(size, generator=torch.Generator().manual_seed(WEIGHTS_SEED))
    chosen, seed = settings.stage1.model(classes, weights.network), settings.stage1.seed
    return stage1.build_model(torch.nn.functional.normalize(drawn), weights, chosen, seed)


def _stage1(
    model: TAVLAD, ids: Sequence[str], features: Path, classes: int, device: torch.device, settings: Settings
) -> float:
    numbers = settings.stage1
    watch = Stopwatch(device, numbers.workers)
    wanted = stage1.Stage1(
        watch.examples(ids, numbers.batch, classes),
        NONE,
        (),
        maps=Inputs(features, ()),
        backbone=Input(features, ""),
        codebook=Input(features, ""),
        model=model.settings,
        schedule=replace(numbers.schedule(), epochs=1),
        batch=numbers.batch,
        seed=numbers.seed,
        precision=devices.precision(numbers.precision, device),
        precision_parameter=numbers.precision,
        deterministic=numbers.deterministic,
    )
    stage1.train_stage1(model, wanted, devices.Speed(device, numbers.workers, "stage1, timed"), watch)
    return watch.seconds(numbers.batch)


def _stage2(
    model: TAVLAD, ids: Sequence[str], frames: Path, classes: int, device: torch.device, settings: Settings
) -> float:
    """Seconds per clip; on a CPU the batch is at most `ids`, because a full one may take minutes."""
    numbers = settings.stage2
    watch, batch = Stopwatch(device, numbers.workers), numbers.batch
    if device.type == "cpu":
        batch = min(batch, len(ids))
    wanted = stage2.Stage2(
        watch.examples(ids, batch, classes),
        NONE,
        frames=Inputs(frames, ()),
        backbone=Input(frames, ""),
        stage1=Input(frames, ""),
        parts=tuple(numbers.train),
        schedule=replace(numbers.schedule(), epochs=1),
        batch=batch,
        crop=numbers.crop,
        augment=numbers.augment,
        dropout=numbers.dropout,
        seed=numbers.seed,
        precision=devices.precision(numbers.precision, device),
        precision_parameter=numbers.precision,
        deterministic=numbers.deterministic,
    )
    stage2.train_stage2(model, wanted, devices.Speed(device, numbers.workers, "stage2, timed"), watch)
    return watch.seconds(batch)


def _evaluate(model: TAVLAD, ids: Sequence[str], frames: Path, device: torch.device, settings: Settings) -> float:
    numbers, times = settings.stage2, []
    model.eval()
    for clip in (ids[0], *ids):
        class_scores(model, load_frames(frames / f"{clip}.h5"), numbers.crop, numbers.precision, device)
        times.append(clock(device))
    return (times[-1] - times[0]) / len(ids)

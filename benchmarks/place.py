"""Data for the benchmarks in a temporary folder: synthetic clips of UCF101's size, and everything made from them."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from ruamel.yaml import YAML

from pipeline import backbone, codebook, decode, extract, stage1, stage2
from pipeline.code import STAGES, digest_of
from tavlad import device as devices
from tavlad.data.table import Clip, Examples, write_clips
from tavlad.demo.scene import draw_group, draw_scene
from tavlad.store.recipes import file_digest
from tavlad.video.decode import decode_clip
from tavlad.video.stream import write_stream

ROOT = Path(__file__).parents[1]
FPS = 25
GRAIN = 4  # levels of noise, with which a synthetic clip is as large as one of UCF101, whose pictures are less flat


@dataclass(frozen=True)
class Sizes:
    """How much is generated and timed; `changes` overrides numbers of the preset."""

    videos: int = 4  # distinct videos; clips are copies of these under different names
    length: int = 180  # frames per video, the mean of UCF101
    decoded: int = 128
    plain: int = 16  # clips for the plain PyAV loop
    clips: int = 8  # clips that are read, extracted, written, evaluated
    sampled: int = 64  # clips for the codebook
    trained: int = 32  # clips per epoch of stage 1
    tuned: int = 4  # clips in the single step of stage 2
    predicted: int = 20
    classes: int = 101
    stand_ins: int = 144  # clips of the project for `dvc repro`, as many as in the demo
    product: int = 2048  # rows and columns of the matrices
    changes: tuple[tuple[str, Any], ...] = ()


class Workplace:
    """A folder with params.yaml (presets/ucf101.yaml, random weights), videos, frames, backbone and maps."""

    def __init__(self, folder: Path, sizes: Sizes):
        self.folder, self.sizes, self.cores = folder, sizes, usable_cores()
        self._write_params()
        for stage in STAGES:
            file = folder / "code" / f"{stage}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{digest_of(stage)}\n")
        self.decode, self.extract = decode.Parameters.load(), extract.Parameters.load()
        self.stage1, self.stage2, self.codebook = (one.Parameters.load() for one in (stage1, stage2, codebook))
        self.device = devices.choose("auto")
        self.precision = devices.precision("auto", self.device)
        self.videos = [folder / f"video{number}.mp4" for number in range(sizes.videos)]
        self.short = [folder / f"short{number}.mp4" for number in range(sizes.videos)]
        for number, (video, short) in enumerate(zip(self.videos, self.short, strict=True)):
            draw(number, video, sizes.length)
            draw(number, short, self.decode.frames)
        self.frames, self.maps, self.backbone = folder / "frames", folder / "maps", folder / "backbone.safetensors"
        self.stage(backbone.main, "backbone", self.backbone)
        self._make_frames()
        self.run_extract(sizes.videos, self.maps)
        for number in range(sizes.videos, max(sizes.clips, sizes.sampled, sizes.trained)):
            os.link(self.maps / f"{number % sizes.videos}.h5", self.maps / f"{number}.h5")

    def ids(self, count: int) -> tuple[str, ...]:
        """The ids of so many clips, in the folders `frames` and `maps`."""
        return tuple(str(number) for number in range(count))

    def examples(self, count: int) -> Examples:
        """So many clips with labels."""
        return Examples(self.ids(count), tuple(number % self.sizes.classes for number in range(count)))

    def stage(self, command: click.Command, name: str, *arguments: object) -> None:
        """Run a stage as dvc.yaml does, but in this process, with an empty work store, and without output."""
        store = self.folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        with quiet():
            command.main([f"code/{name}.txt", *map(str, arguments)], standalone_mode=False)

    def run_decode(self, count: int) -> None:
        """Run stage `decode` on so many clips."""
        self.stage(decode.main, "decode", self.table(count), self.folder / "decoded")

    def run_extract(self, count: int, output: Path) -> None:
        """Run stage `extract` on so many clips."""
        self.stage(extract.main, "extract", self.table(count), self.frames, self.backbone, output)

    def table(self, count: int) -> Path:
        """A clips.csv with so many clips."""
        path = self.folder / f"clips{count}.csv"
        if not path.exists():
            digests = [file_digest(video) for video in self.videos]
            names = [video.name for video in self.videos]
            turns = ((one, int(one) % len(names)) for one in self.ids(count))
            write_clips(path, [Clip(one, names[turn], "class", one, digests[turn], "present") for one, turn in turns])
        return path

    def named_videos(self, count: int) -> list[Path]:
        """So many videos, each with its own name."""
        folder = self.folder / "named"
        folder.mkdir()
        paths = [folder / f"clip{number}.mp4" for number in range(count)]
        for number, path in enumerate(paths):
            os.link(self.videos[number % len(self.videos)], path)
        return paths

    def _write_params(self) -> None:
        yaml, document = YAML(), YAML().load(ROOT / "presets" / "ucf101.yaml")
        document.update(workers=self.cores)
        document["dataset"].update(root=".", layout="folders")
        document["backbone"].update(weights="random")
        for key, value in self.sizes.changes:
            document[key].update(value) if isinstance(value, dict) else document.update({key: value})
        yaml.dump(document, self.folder / "params.yaml")

    def _make_frames(self) -> None:
        self.frames.mkdir()
        numbers = self.decode.frames, self.decode.short_side, self.decode.jpeg_quality
        for number, video in enumerate(self.videos):
            decode_clip(str(video), str(self.frames / f"{number}.h5"), str(number), *numbers, "benchmark")
        for number in range(len(self.videos), max(self.sizes.clips, self.sizes.tuned)):
            os.link(self.frames / f"{number % len(self.videos)}.h5", self.frames / f"{number}.h5")


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress progress bars and closing lines."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


@contextmanager
def workplace(sizes: Sizes) -> Iterator[Workplace]:
    """A workplace in $TMPDIR as the current folder, with its own work store; removed at the end."""
    before, store = Path.cwd(), os.environ.get("TAVLAD_STORE")
    with TemporaryDirectory(prefix="bench-") as name:
        os.chdir(name)
        os.environ["TAVLAD_STORE"] = str(Path(name, "store"))
        try:
            yield Workplace(Path(name), sizes)
        finally:
            os.chdir(before)
            os.environ.pop("TAVLAD_STORE")
            if store is not None:
                os.environ["TAVLAD_STORE"] = store


def usable_cores() -> int:
    """The number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def project_environment() -> dict[str, str]:
    """The environment for a process that runs this project's code with this Python."""
    kept = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**kept, "PYTHONPATH": str(ROOT), "PATH": path}


def draw(seed: int, path: Path, length: int) -> None:
    """Write a scene of the demo, 320x240, with noise, as H.264."""
    rng = np.random.default_rng(seed)
    scene = replace(draw_scene(rng, draw_group(rng), seed % 4), length=length)

    def grained() -> Iterator[np.ndarray]:
        for frame in scene.frames(backwards=False):
            noise = rng.integers(-GRAIN, GRAIN + 1, (*frame.shape[:2], 1))
            yield np.clip(frame + noise, 0, 255).astype(np.uint8)

    write_stream(path, grained(), FPS)

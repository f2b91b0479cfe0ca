"""Intact videos in many codecs and containers, for the corpus to damage: painted, demo and sample clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from tavlad.demo.generator import draw_demo
from tests.video.painted import film, picture

SAMPLES = Path(__file__).parents[3] / "shared" / "clips"  # optional
REMUXED = {"fast_start.mp4": "+faststart", "fragments.mp4": "+frag_keyframe+empty_moov"}  # movflags, from film.mp4
SAMPLE_SUFFIXES = {".avi", ".mp4", ".mov", ".mkv"}
FRAMES = 40
CODECS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "b_frames.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "short_groups.avi": ("mpeg4", "yuv420p", {"g": "6"}),
    "exact.avi": ("huffyuv", "rgb24", {}),
    "raw.avi": ("rawvideo", "yuv420p", {}),
    "film.mp4": ("libx264", "yuv420p", {"g": "12"}),
    "old.mp4": ("mpeg4", "yuv420p", {"g": "12"}),
    "new.mp4": ("libx265", "yuv420p", {"x265-params": "log-level=none:pools=none:frame-threads=1"}),
    "jpeg.mov": ("mjpeg", "yuvj420p", {}),
    "film.mkv": ("libx264", "yuv420p", {"g": "12"}),
    "exact.mkv": ("ffv1", "bgr0", {}),
    "film.webm": ("libvpx-vp9", "yuv420p", {"g": "12"}),
    "old.webm": ("libvpx", "yuv420p", {"g": "12"}),
    "transport.ts": ("mpeg2video", "yuv420p", {}),
    "transport_h264.ts": ("libx264", "yuv420p", {"g": "12"}),
    "programme.mpg": ("mpeg1video", "yuv420p", {}),
    "flash.flv": ("flv", "yuv420p", {}),
    "windows.wmv": ("wmv2", "yuv420p", {}),
    "exchange.mxf": ("mpeg2video", "yuv420p", {}),
    "moving.gif": ("gif", "rgb8", {}),
    "stream.h264": ("libx264", "yuv420p", {"g": "12"}),
    "stream.mjpeg": ("mjpeg", "yuvj420p", {}),
}


@dataclass(frozen=True)
class Source:
    """An intact video; `painted` if its frames are `picture(0)`, `picture(1)`, ..."""

    path: Path
    painted: bool


def make_sources(folder: Path, seed: int, samples: bool) -> list[Source]:
    """Videos in `folder`: one for each codec that this PyAV can write, four of the demo, and the sample clips."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    known = {name: recipe for name, recipe in CODECS.items() if recipe[0] in av.codecs_available}
    for name, (codec, pixels, options) in known.items():
        film(folder / name, [textured(n, rng) for n in range(FRAMES)], codec, pixels, {"threads": "1", **options})
    if "film.mp4" in known:
        for name, flags in REMUXED.items():
            remuxed(folder / "film.mp4", folder / name, movflags=flags)
    sources = [Source(path, True) for path in sorted(folder.iterdir())]
    for clip in list(draw_demo(seed, 1, 1))[::2]:
        clip.write(folder)
        sources.append(Source(folder / f"{clip.id}.avi", False))
    found = sorted(path for path in SAMPLES.rglob("*") if path.suffix in SAMPLE_SUFFIXES) if samples else []
    return sources + [Source(path, False) for path in found]


def textured(number: int, rng: np.random.Generator) -> np.ndarray:
    """`picture(number)` above a strip of noise, so that there is something to encode: uint8 (48, 72, 3)."""
    pixels = picture(number).copy()
    pixels[34:] = rng.integers(0, 256, pixels[34:].shape)
    return pixels


def remuxed(film: Path, path: Path, **options: str) -> Path:
    """Remux the packets of `film` into a new container at `path`."""
    with av.open(str(film)) as source, av.open(str(path), "w", options=options) as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:  # the last packet is empty
                packet.stream = stream
                container.mux(packet)
    return path

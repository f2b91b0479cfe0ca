"""Videos to stored frames and back: decode, scale + JPEG, reading frames."""

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import av
import h5py
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image
from torch import Tensor
from torchvision.io import decode_jpeg

from benchmarks.floors import decode_only
from benchmarks.place import Workplace
from benchmarks.timing import Part, Row, timed
from tavlad.video.decode import decode_clip
from tavlad.video.jpeg import load_frames


def video(place: Workplace) -> Part:
    """The runs and rows of this module."""
    sizes, T = place.sizes, place.decode.frames
    files, jpegs = [place.frames / f"{one}.h5" for one in place.ids(sizes.clips)], place.folder / "jpegs"
    stored = [_stored(file) for file in files]
    _write_jpegs(jpegs, stored)
    runs = {
        "decode": timed(lambda: place.run_decode(sizes.decoded)),
        "bare decoder": timed(lambda: _decode_all(place)),
        "plain loop": timed(lambda: _plain_loop(place, place.folder / "plain")),
        "scale + JPEG": timed(lambda: _scale(place)),
        "bare scale + JPEG": timed(lambda: [_bare_scale(place, path) for path in place.short]),
        "reading frames": timed(lambda: [load_frames(file) for file in files]),
        "bare JPEG": timed(lambda: [_decoded(clip) for clip in stored]),
        "Pillow": timed(lambda: [_opened(jpegs / str(number)) for number in range(len(files))]),
    }
    scale = Row(
        "scale + JPEG",
        "frames/s",
        len(place.short) * T,
        lambda best: best["scale + JPEG"],
        lambda best: best["bare scale + JPEG"],
        f"PyAV, swscale and Pillow's JPEG without files, on all frames of the same videos of {T} frames; one thread",
    )
    reading = Row(
        "reading frames",
        "clips/s",
        len(files),
        lambda best: best["reading frames"],
        lambda best: best["bare JPEG"],
        "torchvision's libjpeg-turbo, with the JPEGs in memory; one thread",
        lambda best: best["Pillow"],
        "Pillow, one folder of JPEGs per clip",
    )
    return Part(runs, [_decode_row(place), scale, reading])


def _decode_row(place: Workplace) -> Row:
    sizes = place.sizes
    return Row(
        "decode",
        "clips/s",
        sizes.decoded,
        lambda best: best["decode"],
        lambda best: best["bare decoder"],
        f"the bare decoder: a PyAV loop that only decodes the same videos, in {place.cores} threads",
        lambda best: best["plain loop"] * sizes.decoded / sizes.plain,
        "a plain PyAV loop: to_image, Pillow's resize and JPEG, one file per frame",
    )


def _decode_all(place: Workplace) -> None:
    turns = range(place.sizes.decoded)
    with ThreadPoolExecutor(place.cores) as pool:
        list(pool.map(lambda number: decode_only(place.videos[number % len(place.videos)]), turns))


def _plain_loop(place: Workplace, folder: Path) -> None:
    """The code that one would write without this project; PyAV decodes with its defaults."""
    shutil.rmtree(folder, ignore_errors=True)
    T, length = place.decode.frames, place.sizes.length
    taken = {(2 * segment + 1) * length // (2 * T) for segment in range(T)}  # the centres of T segments
    for number in range(place.sizes.plain):
        (folder / str(number)).mkdir(parents=True)
        with av.open(str(place.videos[number % len(place.videos)])) as container:
            for turn, frame in enumerate(container.decode(video=0)):
                if turn in taken:
                    picture = Image.fromarray(frame.to_ndarray(format="rgb24"))  # as to_image does
                    scale = place.decode.short_side / min(picture.size)
                    size = round(picture.width * scale), round(picture.height * scale)
                    name = folder / str(number) / f"{turn}.jpg"
                    picture.resize(size).save(name, quality=place.decode.jpeg_quality)


def _scale(place: Workplace) -> None:
    numbers = place.decode.frames, place.decode.short_side, place.decode.jpeg_quality
    for path in place.short:
        output = path.with_suffix(".h5")
        output.unlink(missing_ok=True)
        decode_clip(str(path), str(output), path.stem, *numbers, "benchmark")


def _bare_scale(place: Workplace, path: Path) -> list[bytes]:
    scaler, jpegs = VideoReformatter(), []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        scale = place.decode.short_side / min(stream.width, stream.height)
        size = round(stream.width * scale), round(stream.height * scale)
        for frame in container.decode(stream):
            pixels = scaler.reformat(frame, *size, "rgb24", interpolation=Interpolation.AREA, threads=1).to_ndarray()
            jpeg = io.BytesIO()  # Pillow, because torchvision's encoder is 16 times slower
            Image.fromarray(pixels).save(jpeg, "JPEG", quality=place.decode.jpeg_quality)
            jpegs.append(jpeg.getvalue())
    return jpegs


def _stored(file: Path) -> list[bytes]:
    with h5py.File(file, "r") as opened:
        data, offsets = opened["jpeg"][()], opened["offsets"][()].tolist()
    return [data[start:end].tobytes() for start, end in pairwise(offsets)]


def _decoded(jpegs: list[bytes]) -> list[Tensor]:
    return [decode_jpeg(torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)) for jpeg in jpegs]


def _write_jpegs(folder: Path, clips: list[list[bytes]]) -> None:
    for number, jpegs in enumerate(clips):
        (folder / str(number)).mkdir(parents=True)
        for turn, jpeg in enumerate(jpegs):
            (folder / str(number) / f"{turn:03}.jpg").write_bytes(jpeg)


def _opened(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())])

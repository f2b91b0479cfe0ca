"""The frame store: decoded clips, and their files of JPEG frames with metadata on the decoding."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from tavlad.store.hdf5 import ADVICE, created, opened_hdf5
from tavlad.store.inputs import Inputs


@dataclass(frozen=True)
class DecodedClip:
    """T sampled frames, uint8 (T, H, W, 3) RGB and upright, with metadata on the file and its decoding.

    `pts` are seconds (nan if the file has none); `rotation` is the angle of the file's display matrix, in degrees
    counter-clockwise; `header_count` is the number of displayed frames according to the header, 0 if unknown; `width`,
    `height` and `interlaced` are those of the first sampled frame as coded. The clip is frames [`begin`, `end`) of the
    `decoded_count` frames of the file; `indices` count from the start of the file. Up to `end`, `corrupt` counts the
    packets and frames flagged as damaged, `concealed` the errors that FFmpeg reported and recovered from.
    """

    frames: np.ndarray
    indices: list[int]
    pts: list[float]
    fps: float
    header_count: int
    decoded_count: int
    begin: int
    end: int
    rotation: int
    width: int
    height: int
    interlaced: bool
    corrupt: int
    concealed: int
    pyav: str
    ffmpeg: str

    def facts(self) -> dict[str, Any]:
        """All fields except the pixels, in a fixed order."""
        return {name: value for name, value in vars(self).items() if name != "frames"}


def indices(n: int, T: int) -> np.ndarray:
    """Centres of T equal segments of n frames, floor((2i+1) n / 2T): int64 (T).

    Symmetric in time, except that a centre between two frames becomes the later one. All sampling of frames uses this
    rule. If n < T, frames are repeated evenly. ValueError if n or T is less than 1.
    """
    if n < 1 or T < 1:
        raise ValueError(f"cannot take {T} frames of {n}: both must be at least 1")
    return (2 * np.arange(T, dtype=np.int64) + 1) * n // (2 * T)


ARRAYS = {"indices": np.int64, "pts": np.float64}  # facts with one value per frame
RESERVED = ("clip", "recipe")
UNREADABLE = (SyntaxError, Image.DecompressionBombError)  # what Pillow raises in addition


def to_jpeg(frames: np.ndarray, quality: int) -> list[bytes]:
    """Frames, uint8 (T, H, W, 3), as T baseline JPEGs."""
    return [_encoded(frame, quality) for frame in frames]


def from_jpeg(jpegs: Iterable[bytes]) -> np.ndarray:
    """T JPEGs of one size as uint8 (T, H, W, 3)."""
    return np.stack([np.asarray(open_jpeg(jpeg).convert("RGB")) for jpeg in jpegs])


def open_jpeg(jpeg: bytes) -> Image.Image:
    """Open an image, reading the header only; other formats than JPEG and unreasonable sizes are refused."""
    # untrusted files must not reach Pillow's sixty other decoders
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"])


def _encoded(frame: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    # Nearly every video has its colour at half resolution already; full resolution costs 28 % more bytes.
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=False, progressive=False)
    return buffer.getvalue()


def write_frames(path: Path, clip_id: str, decoded: DecodedClip, quality: int, recipe: str) -> None:
    """Write the clip's frames and facts to a new file at `path`; the same input gives the same bytes."""
    write_jpegs(path, clip_id, to_jpeg(decoded.frames, quality), {**decoded.facts(), "jpeg_quality": quality}, recipe)


def write_jpegs(path: Path, clip_id: str, jpegs: Sequence[bytes], facts: Mapping[str, Any], recipe: str) -> None:
    """`write_frames` for encoded frames; `facts` are those of the clip, and the JPEG quality."""
    offsets = np.cumsum([0, *map(len, jpegs)], dtype=np.int64)
    data = np.frombuffer(b"".join(jpegs), np.uint8)
    with created(path) as file:
        file.create_dataset("jpeg", data=data, chunks=data.shape, fletcher32=True)
        file.create_dataset("offsets", data=offsets)
        for name, dtype in ARRAYS.items():  # as datasets: HDF5 limits attributes to 64 kB
            file.create_dataset(name, data=np.asarray(facts[name], dtype))
        for name, value in {"clip": clip_id, "recipe": recipe, **facts}.items():
            if name not in ARRAYS:
                file.attrs[name] = value


def read_frames_file(path: Path, decode: Callable[[Iterable[bytes]], np.ndarray] = from_jpeg) -> np.ndarray:
    """Read all frames of a frame file, uint8 (T, H, W, 3); ValueError if it is damaged or not a frame file."""
    with opened_hdf5(path, *UNREADABLE) as file:
        data, offsets = _checked(path, file)
        return decode(data[start:end].tobytes() for start, end in pairwise(offsets))


def read_frames_recipe(path: Path) -> str:
    """The recipe (a digest) of the file."""
    with opened_hdf5(path, *UNREADABLE) as file:
        return str(file.attrs["recipe"])


def frames_inputs(frames: Path, clips: Sequence[str]) -> Inputs:
    """The frame files of `clips`, as a stage's inputs."""
    return Inputs(frames, tuple((clip, read_frames_recipe(frames / f"{clip}.h5")) for clip in clips))


def read_frame_facts(path: Path) -> dict[str, Any]:
    """Read the fields of `DecodedClip` except the frames, and the JPEG quality."""
    with opened_hdf5(path, *UNREADABLE) as file:
        facts = {name: np.asarray(value).item() for name, value in file.attrs.items() if name not in RESERVED}
        return facts | {name: _array(path, file, name, dtype)[()].tolist() for name, dtype in ARRAYS.items()}


def _checked(path: Path, file: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    """The bytes (uint8) and the offsets of the JPEGs, int64 (T+1); shapes are checked before reading."""
    jpeg, offsets = _array(path, file, "jpeg", np.uint8), _array(path, file, "offsets", np.int64)[()]
    if len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) <= 0).any() or offsets[-1] != jpeg.shape[0]:
        raise ValueError(f"{path} is damaged: its offsets do not match its bytes; {ADVICE}")
    return jpeg[()], offsets


def _array(path: Path, file: h5py.File, name: str, dtype: type) -> h5py.Dataset:
    """The dataset (n) of type `dtype`; its size is checked before anything is allocated."""
    # `get` would report a failed read as a missing name
    found = file[name] if name in file else None  # noqa: SIM401
    if not isinstance(found, h5py.Dataset) or found.dtype != dtype or found.ndim != 1:
        raise ValueError(f"{path} is not a file of the frame store: it has no '{name}' as {np.dtype(dtype)} (n)")
    size = max(found.shape[0], *(found.chunks or (0,))) * found.dtype.itemsize
    if size > path.stat().st_size:  # nothing here is compressed
        raise ValueError(f"{path}: its '{name}' declares {size} bytes, more than the file has; {ADVICE}")
    return found

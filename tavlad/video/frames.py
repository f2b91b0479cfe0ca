"""The frame store: a clip as decoded, and its file of JPEG frames with the facts of their decoding."""

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
    """T sampled frames, uint8 (T, H, W, 3) RGB and upright, with what was counted and seen on the way.

    `pts` are seconds (nan where the file gives none); `rotation` is the angle, in degrees counter-clockwise, by which
    the file asks to be turned; `header_count` is what the header promises to show, 0 where it says nothing; `width`,
    `height` and `interlaced` are those of the first sampled frame as coded. Of the `decoded_count` frames of the file
    the clip is those from `begin` on, before `end`, which `indices` number as well. Up to there `corrupt` counts the
    packets and frames that were flagged as damaged, `concealed` the errors that FFmpeg reported and carried on from.
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
        """All but the pixels, in a fixed order."""
        return {name: value for name, value in vars(self).items() if name != "frames"}


def indices(n: int, T: int) -> np.ndarray:
    """Centres of T equal segments of n frames, floor((2i+1) n / 2T): int64 (T).

    Symmetric in time, but where a centre lies between two frames: then it is the later one. The one rule that says
    which frames of a video are looked at. Fewer frames than T are repeated, evenly; nothing at all is a ValueError.
    """
    if n < 1 or T < 1:
        raise ValueError(f"cannot take {T} frames of {n}: both must be at least 1")
    return (2 * np.arange(T, dtype=np.int64) + 1) * n // (2 * T)


ARRAYS = {"indices": np.int64, "pts": np.float64}  # facts with a value per frame
RESERVED = ("clip", "recipe")
UNREADABLE = (SyntaxError, Image.DecompressionBombError)  # what Pillow raises besides


def to_jpeg(frames: np.ndarray, quality: int) -> list[bytes]:
    """Frames, uint8 (T, H, W, 3), as T baseline JPEGs."""
    return [_encoded(frame, quality) for frame in frames]


def from_jpeg(jpegs: Iterable[bytes]) -> np.ndarray:
    """T JPEGs of one size as uint8 (T, H, W, 3)."""
    return np.stack([np.asarray(open_jpeg(jpeg).convert("RGB")) for jpeg in jpegs])


def open_jpeg(jpeg: bytes) -> Image.Image:
    """The picture, of which no more is read than the header: another format, or a size beyond reason, is refused."""
    # a file from elsewhere may meet one of Pillow's sixty decoders only, that of JPEG
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"])


def _encoded(frame: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    # Colour at half resolution, as nearly every video has it already: full resolution costs 28 % more bytes.
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=False, progressive=False)
    return buffer.getvalue()


def write_frames(path: Path, clip_id: str, decoded: DecodedClip, quality: int, recipe: str) -> None:
    """Write the clip's frames and facts to a new file at `path`; the same input gives the same bytes."""
    write_jpegs(path, clip_id, to_jpeg(decoded.frames, quality), {**decoded.facts(), "jpeg_quality": quality}, recipe)


def write_jpegs(path: Path, clip_id: str, jpegs: Sequence[bytes], facts: Mapping[str, Any], recipe: str) -> None:
    """`write_frames` for frames that are JPEGs already; `facts` are those of the clip, and their quality."""
    offsets = np.cumsum([0, *map(len, jpegs)], dtype=np.int64)
    data = np.frombuffer(b"".join(jpegs), np.uint8)
    with created(path) as file:
        file.create_dataset("jpeg", data=data, chunks=data.shape, fletcher32=True)
        file.create_dataset("offsets", data=offsets)
        for name, dtype in ARRAYS.items():  # as datasets: HDF5 allows an attribute 64 kB
            file.create_dataset(name, data=np.asarray(facts[name], dtype))
        for name, value in {"clip": clip_id, "recipe": recipe, **facts}.items():
            if name not in ARRAYS:
                file.attrs[name] = value


def read_frames_file(path: Path, decode: Callable[[Iterable[bytes]], np.ndarray] = from_jpeg) -> np.ndarray:
    """All frames of a file of the store: uint8 (T, H, W, 3); raises ValueError where the file is not one."""
    with opened_hdf5(path, *UNREADABLE) as file:
        data, offsets = _checked(path, file)
        return decode(data[start:end].tobytes() for start, end in pairwise(offsets))


def read_frames_recipe(path: Path) -> str:
    """The recipe (a digest) that the file was made by."""
    with opened_hdf5(path, *UNREADABLE) as file:
        return str(file.attrs["recipe"])


def frames_inputs(frames: Path, clips: Sequence[str]) -> Inputs:
    """The files of `clips` in the frame store, as what a stage reads."""
    return Inputs(frames, tuple((clip, read_frames_recipe(frames / f"{clip}.h5")) for clip in clips))


def read_frame_facts(path: Path) -> dict[str, Any]:
    """What was counted and seen in decoding (the fields of `DecodedClip` but the frames), and the JPEG quality."""
    with opened_hdf5(path, *UNREADABLE) as file:
        facts = {name: np.asarray(value).item() for name, value in file.attrs.items() if name not in RESERVED}
        return facts | {name: _array(path, file, name, dtype)[()].tolist() for name, dtype in ARRAYS.items()}


def _checked(path: Path, file: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    """The bytes (uint8) and where each JPEG begins and ends (int64 (T+1)); shapes are checked before reading."""
    jpeg, offsets = _array(path, file, "jpeg", np.uint8), _array(path, file, "offsets", np.int64)[()]
    if len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) <= 0).any() or offsets[-1] != jpeg.shape[0]:
        raise ValueError(f"{path} is damaged: its offsets do not match its bytes; {ADVICE}")
    return jpeg[()], offsets


def _array(path: Path, file: h5py.File, name: str, dtype: type) -> h5py.Dataset:
    """The dataset (n) of that type, after a look at its size, so that nothing unreasonable is allocated."""
    # `get` would take a read that fails for a name that is missing
    found = file[name] if name in file else None  # noqa: SIM401
    if not isinstance(found, h5py.Dataset) or found.dtype != dtype or found.ndim != 1:
        raise ValueError(f"{path} is no file of the frame store: it holds no '{name}' as {np.dtype(dtype)} (n)")
    size = max(found.shape[0], *(found.chunks or (0,))) * found.dtype.itemsize
    if size > path.stat().st_size:  # nothing here is compressed
        raise ValueError(f"{path}: its '{name}' declares {size} bytes, more than the file has; {ADVICE}")
    return found

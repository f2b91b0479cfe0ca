"""The most confident mistakes of stage 2, each with a few frames and its attention."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tavlad.learning.clip_attention import read_attention
from tavlad.report.picture import crop_corner, lay_over, scale_of
from tavlad.report.results import SplitResult
from tavlad.video.frames import from_jpeg, indices, read_frames_file

TOP = 3  # classes listed per mistake
KEYS = 3  # frames shown per mistake
TILE = 128  # side of a frame in pixels
QUALITY = 80


@dataclass(frozen=True)
class Mistake:
    """A misclassified held-out clip, its class, the most probable classes, and the probability of its own class."""

    split: str
    clip: str
    label: str
    top: tuple[tuple[str, float], ...]
    own: float


def find_mistakes(results: Sequence[SplitResult], most: int) -> list[Mistake]:
    """At most `most` of the clips misclassified after stage 2, the most confident mistake first."""
    found = [mistake for result in results for mistake in _of(result)]
    return sorted(found, key=lambda one: (-one.top[0][1], one.split, one.clip))[:most]


def _of(result: SplitResult) -> Iterator[Mistake]:
    made = result.predictions["stage2"]
    for row in np.flatnonzero(~made.right):
        logits = made.logits[row].astype(np.float64)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        ranked = np.argsort(-logits, kind="stable")[:TOP]
        top = tuple((made.classes[label], float(shares[label])) for label in ranked)
        label = made.labels[row]
        yield Mistake(result.split, made.ids[row], made.classes[label], top, float(shares[label]))


def picture_mistakes(mistakes: Sequence[Mistake], evaluate: Path, frames: Path, crop: int) -> list[bytes]:
    """A JPEG for each: key frames evenly spaced in time, and below them the same with stage 2's attention, if any."""
    saved = {split: read_attention(evaluate / split / "attention.h5") for split in {one.split for one in mistakes}}
    pictures = []
    for one in mistakes:
        looks = saved[one.split]
        maps = None if looks.attention is None else looks.attention[looks.ids.index(one.clip)]
        pictures.append(_strip(read_frames_file(frames / f"{one.clip}.h5", _key_frames), maps, crop))
    return pictures


def _key_frames(jpegs: Iterable[bytes]) -> np.ndarray:
    held = list(jpegs)
    return from_jpeg(held[place] for place in indices(len(held), min(KEYS, len(held))))


def _strip(frames: np.ndarray, maps: np.ndarray | None, crop: int) -> bytes:
    """The key frames (T, H, W, 3), cropped as for the model, above the same under attention (h, w) of all frames."""
    height, width = frames.shape[1:3]
    top, left = crop_corner(height, width, crop)
    tiles = [_tile(frame[top : top + crop, left : left + crop]) for frame in frames]
    rows = [np.hstack(tiles)]
    if maps is not None:
        shown = maps[indices(len(maps), len(frames))]
        scale = scale_of(shown)
        rows.append(np.hstack([lay_over(tile, one, scale) for tile, one in zip(tiles, shown, strict=True)]))
    return to_small_jpeg(Image.fromarray(np.vstack(rows)))


def _tile(square: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(square).resize((TILE, TILE), Image.Resampling.LANCZOS))


def to_small_jpeg(picture: Image.Image) -> bytes:
    """The picture as a small JPEG, for viewing only."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()

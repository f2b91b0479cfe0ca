"""A frame of the video from `tavlad attend`: a heat map over the frame, and a panel with the running predictions."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont, truetype

from tavlad.report.picture import crop_corner, lay_over, scale_of

HEIGHT = 384  # minimum in pixels, to keep the panel readable
PANEL = 360  # width in pixels
MARGIN = 18
BARS = 5
DIMMED = 0.4  # brightness outside the crop
DARK, PALE, GREY, BLUE = (20, 20, 24), (240, 240, 240), (150, 150, 155), (86, 180, 233)
TRACK = (52, 52, 58)  # behind a bar


@dataclass(frozen=True, eq=False)
class WatchedClip:
    """The results of a model on a clip: the numbers of its T sampled frames in the video, attention (T, H, W) and the
    winning ImageNet class (T) in each, class probabilities (T, Y) after the first 1..T of them."""

    indices: list[int]
    attention: np.ndarray
    winners: tuple[str, ...]
    probabilities: np.ndarray
    classes: tuple[str, ...]
    crop: int

    @cached_property
    def scale(self) -> PowerNorm:
        """One colour scale for the whole clip."""
        return scale_of(self.attention)

    @cached_property
    def top(self) -> list[int]:
        """The most probable classes at the end of the clip, in decreasing order."""
        return [int(label) for label in np.argsort(-self.probabilities[-1], kind="stable")[:BARS]]

    def attention_at(self, number: int) -> tuple[np.ndarray, str]:
        """Attention (H, W) at frame `number`, interpolated between sampled frames; the winner in the nearest one."""
        place = float(np.interp(number, self.indices, np.arange(len(self.indices))))
        before, after = int(np.floor(place)), int(np.ceil(place))
        between = self.attention[before] + (place - before) * (self.attention[after] - self.attention[before])
        return between, self.winners[round(place)]

    def seen_at(self, number: int) -> int:
        """The number of sampled frames up to and including frame `number` of the video."""
        return int(np.searchsorted(self.indices, number, side="right"))


def compose(frame: np.ndarray, number: int, watched: WatchedClip) -> np.ndarray:
    """Frame `number` of the video, uint8 (H, W, 3), with heat over the crop and the panel at its right; even sizes."""
    zoom = -(-HEIGHT // min(frame.shape[:2]))
    attention, winner = watched.attention_at(number)
    picture = _picture(frame, attention, watched, zoom)
    made = Image.new("RGB", (_even(picture.width + PANEL), _even(picture.height)), DARK)
    made.paste(picture)
    _panel(ImageDraw.Draw(made), picture.width + MARGIN, made.width - MARGIN, watched.seen_at(number), winner, watched)
    return np.asarray(made)


def _picture(frame: np.ndarray, attention: np.ndarray, watched: WatchedClip, zoom: int) -> Image.Image:
    height, width = frame.shape[:2]
    top, left = crop_corner(height, width, watched.crop)
    inside = slice(top, top + watched.crop), slice(left, left + watched.crop)
    shown = (frame * DIMMED).astype(np.uint8)
    shown[inside] = lay_over(frame[inside], attention, watched.scale)
    picture = Image.fromarray(shown).resize((width * zoom, height * zoom), Image.Resampling.BICUBIC)
    border = (left * zoom, top * zoom, (left + watched.crop) * zoom - 1, (top + watched.crop) * zoom - 1)
    ImageDraw.Draw(picture).rectangle(border, outline=PALE)
    return picture


def _panel(draw: ImageDraw.ImageDraw, left: int, right: int, seen: int, winner: str, watched: WatchedClip) -> None:
    """Between x = `left` and `right`: the number of sampled frames seen, the bars, the class that guides attention."""
    total = len(watched.indices)
    write(draw, (left, 16), f"after {seen} of {total} sampled frames", 14, GREY, right - left)
    running = watched.probabilities[seen - 1] if seen else np.zeros(len(watched.classes))
    leader = int(running.argmax()) if seen else -1
    y = 46
    for label in watched.top:
        colour = PALE if label == leader else GREY
        write(draw, (left, y), watched.classes[label], 16, colour, right - left - 64)
        draw.text((right, y), f"{running[label]:.0%}" if seen else "", colour, font(16), anchor="ra")
        draw.rectangle((left, y + 23, right - 1, y + 32), TRACK)
        if (length := round((right - left) * float(running[label]))) > 0:
            draw.rectangle((left, y + 23, left + length - 1, y + 32), BLUE if label == leader else GREY)
        y += 48
    write(draw, (left, y + 14), "attends as if to the ImageNet class", 14, GREY, right - left)
    write(draw, (left, y + 36), winner, 16, PALE, right - left)


def write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: tuple[int, int, int], width: int
) -> None:
    """Draw one line of `text` with its top left at `place`, truncated to `width` pixels."""
    face = font(size)
    if face.getlength(text) > width:
        while text and face.getlength(text + "…") > width:
            text = text[:-1]
        text += "…"
    draw.text(place, text, colour, face)


@lru_cache
def font(size: int) -> FreeTypeFont:
    """The sans-serif font that comes with matplotlib."""
    return truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def _even(size: int) -> int:
    return size + size % 2

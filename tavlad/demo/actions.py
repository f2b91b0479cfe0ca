"""Drawing of the demo's actions: how the acting object looks at `progress` 0 (not begun) to 1 (done)."""

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]
DARK = (22, 22, 26)
# These hues vary by clip, not by group, so that what an action uncovers is recognisable in held-out groups.
SHUTTER, TILE, JEWEL = 0.55, 0.13, 0.87
EDGE = 3  # pixels, width of the object's outline
APERTURE = 0.6  # half the side of the opening, in object radii
PANEL = 1.04  # half the side of the panel that hides an object
SLIDE = 3.2  # how far the panel moves: out of the centre crop


@dataclass(frozen=True)
class Appearance:
    """What an action draws with: the object's outline (radius 1), its colour, and the clip's random choices."""

    outline: tuple[Point, ...]
    hue: float
    tint: float
    gain: float
    order: tuple[int, ...]
    side: int


@dataclass(frozen=True)
class Frame:
    """A shape's frame of reference: `radius` pixels per unit, rotated by `angle` (radians) about `centre`."""

    centre: Point
    radius: float
    angle: float

    def place(self, points: Sequence[Point]) -> list[Point]:
        """Convert `points` from this frame to pixels of the picture."""
        (cx, cy), a, b = self.centre, self.radius * math.cos(self.angle), self.radius * math.sin(self.angle)
        return [(cx + a * x - b * y, cy + b * x + a * y) for x, y in points]


@dataclass(frozen=True)
class Pen:
    """Draws on a picture in a shape's frame of reference."""

    draw: ImageDraw.ImageDraw
    frame: Frame

    def polygon(self, points: Sequence[Point], fill: Colour, edge: Colour | None = None) -> None:
        """Draw a filled polygon, outlined in `edge`."""
        self.draw.polygon(self.frame.place(points), fill=fill, outline=edge, width=EDGE if edge else 0)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        """Draw a filled rectangle; nothing if it is empty."""
        if x1 > x0 and y1 > y0:
            self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def disc(self, radius: float, fill: Colour) -> None:
        """Draw a filled disc around the centre."""
        (cx, cy), r = self.frame.centre, self.frame.radius * radius
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=fill)


def colour(hue: float, saturation: float, value: float) -> Colour:
    """The RGB levels of a colour in HSV; the hue wraps around, the value is clipped at 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, min(value, 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def ripen(pen: Pen, look: Appearance, progress: float) -> None:
    """A dull green fruit turns bright red."""
    fill = colour(0.36 * (1 - progress) + 0.5 * look.tint, 0.9, (0.55 + 0.4 * progress) * look.gain)
    pen.polygon(look.outline, fill, DARK)


def open_up(pen: Pen, look: Appearance, progress: float) -> None:
    """Two shutters slide apart and show a dark inside with a bright core."""
    pen.polygon(look.outline, colour(look.hue, 0.6, 0.7 * look.gain), DARK)
    pen.box(-APERTURE, -APERTURE, APERTURE, APERTURE, DARK)
    pen.disc(0.34, (255, 250, 215))
    shutter, gap = colour(SHUTTER + look.tint, 0.5, 0.9 * look.gain), APERTURE * progress
    pen.box(-APERTURE, -APERTURE, -gap, APERTURE, shutter)
    pen.box(gap, -APERTURE, APERTURE, APERTURE, shutter)


def build(pen: Pen, look: Appearance, progress: float) -> None:
    """The nine tiles of a grid grow one after the other."""
    pen.polygon(look.outline, colour(look.hue, 0.2, 0.28 * look.gain), DARK)
    tile = colour(TILE + look.tint, 0.75, 0.95 * look.gain)
    for turn, place in enumerate(look.order):
        half = 0.19 * min(max(progress * len(look.order) - turn, 0.0), 1.0)
        x, y = 0.42 * (place % 3 - 1), 0.42 * (place // 3 - 1)
        pen.box(x - half, y - half, x + half, y + half, tile)


def reveal(pen: Pen, look: Appearance, progress: float) -> None:
    """A striped panel slides off the object."""
    pen.polygon(look.outline, colour(look.hue, 0.8, 0.9 * look.gain), DARK)
    pen.polygon([(0.75 * x, 0.75 * y) for x, y in look.outline], colour(JEWEL + look.tint, 0.6, 0.95 * look.gain))
    shift, stripes = look.side * SLIDE * progress, 7
    for stripe in range(stripes):
        top = PANEL * (2 * stripe / stripes - 1)
        shade = 235 if stripe % 2 else 60
        pen.box(shift - PANEL, top, shift + PANEL, top + 2 * PANEL / stripes, (shade, shade, shade))


ACTIONS: tuple[Callable[[Pen, Appearance, float], None], ...] = (ripen, open_up, build, reveal)

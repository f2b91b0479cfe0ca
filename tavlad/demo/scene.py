"""The scenes of the demo: an acting object and a passive distractor on a panning background.

Everything but the action is symmetric in time: a drift is as likely as its opposite, and the pauses at both ends have
the same distribution.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tavlad.demo.actions import ACTIONS, DARK, Appearance, Frame, Pen, Point, colour

WIDTH, HEIGHT = 320, 240
MARGIN = 32  # extra pixels of canvas on each side, for the pan
LENGTHS = range(31, 76, 2)  # frames; odd, so that a clip and its reversal are sampled at the same frames
GROUPS, TAKES, CALIBRATION = 1, 2, 3  # independent random streams of one seed

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Group:
    """The properties shared by the clips of a group: background, outline and hue of the object."""

    canvas: Image.Image
    outline: tuple[Point, ...]
    hue: float


@dataclass(frozen=True)
class Way:
    """A straight path at constant speed, given by its middle."""

    middle: Point
    step: Point

    def at(self, share: float) -> Point:
        """The position after `share` (0 to 1) of the clip."""
        return self.middle[0] + self.step[0] * (share - 0.5), self.middle[1] + self.step[1] * (share - 0.5)


@dataclass(frozen=True)
class Moving:
    """A moving and rotating shape: outline of radius 1, radius in pixels, angles in radians."""

    outline: tuple[Point, ...]
    radius: float
    way: Way
    angle: float
    spin: float

    def frame(self, share: float) -> Frame:
        """The shape's frame of reference after `share` of the clip."""
        return Frame(self.way.at(share), self.radius, self.angle + self.spin * (share - 0.5))


@dataclass(frozen=True)
class Scene:
    """The contents of one clip, in forward direction."""

    canvas: Image.Image
    pan: Way
    distractor: Moving
    distractor_hue: float
    thing: Moving
    look: Appearance
    action: int
    length: int
    holds: tuple[float, float]

    def frames(self, backwards: bool) -> Iterator[NDArray[np.uint8]]:
        """The frames, uint8 (240, 320, 3), RGB, in the order shown."""
        times = range(self.length)
        return (self.frame(time) for time in (reversed(times) if backwards else times))

    def boxes(self, backwards: bool) -> list[Box]:
        """The object's true box in each frame, in the order shown: x0, y0, x1, y1 in pixels, x1 and y1 exclusive."""
        boxes = [self._box(time) for time in range(self.length)]
        return boxes[::-1] if backwards else boxes

    def frame(self, time: int) -> NDArray[np.uint8]:
        """Frame number `time` in forward direction, uint8 (240, 320, 3), RGB."""
        share = time / (self.length - 1)
        left, top = (round(value) for value in self.pan.at(share))
        picture = self.canvas.crop((left, top, left + WIDTH, top + HEIGHT))
        draw = ImageDraw.Draw(picture)
        other = Pen(draw, self.distractor.frame(share))
        other.polygon(self.distractor.outline, colour(self.distractor_hue, 0.7, 0.8), DARK)
        ACTIONS[self.action](Pen(draw, self.thing.frame(share)), self.look, self.progress(share))
        return np.asarray(picture)

    def progress(self, share: float) -> float:
        """Progress of the action, 0 to 1: constant at both ends, smooth (3x^2 - 2x^3) in between."""
        before, after = self.holds
        x = min(max((share - before) / (1 - before - after), 0.0), 1.0)
        return x * x * (3 - 2 * x)

    def _box(self, time: int) -> Box:
        points = np.array(self.thing.frame(time / (self.length - 1)).place(self.thing.outline))
        low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int) + 1
        x0, y0 = np.clip(low, 0, (WIDTH, HEIGHT)).tolist()
        x1, y1 = np.clip(high, 0, (WIDTH, HEIGHT)).tolist()
        return x0, y0, x1, y1


def draw_group(rng: Generator) -> Group:
    """Draw a group."""
    sides = int(rng.integers(6, 10))
    return Group(_canvas(rng), _outline(rng, sides), float(rng.random()))


def draw_scene(rng: Generator, group: Group, action: int) -> Scene:
    """Draw a clip of `group` that shows `ACTIONS[action]`."""
    middle = (WIDTH / 2 + rng.uniform(-12, 12), HEIGHT / 2 + rng.uniform(-8, 8))
    way = Way(middle, (rng.uniform(-40, 40), rng.uniform(-24, 24)))
    thing = Moving(group.outline, 62 * rng.uniform(0.85, 1.15), way, rng.uniform(-0.3, 0.3), rng.uniform(-0.4, 0.4))
    look = Appearance(
        outline=group.outline,
        hue=group.hue,
        tint=rng.uniform(-0.05, 0.05),
        gain=rng.uniform(0.9, 1.1),
        order=tuple(rng.permutation(9).tolist()),
        side=int(rng.choice((-1, 1))),
    )
    return Scene(
        canvas=group.canvas,
        pan=Way((MARGIN, MARGIN), (rng.uniform(-56, 56), rng.uniform(-56, 56))),
        distractor=_distractor(rng),
        distractor_hue=rng.random(),
        thing=thing,
        look=look,
        action=action,
        length=int(rng.choice(LENGTHS)),
        holds=(rng.uniform(0.1, 0.25), rng.uniform(0.1, 0.25)),
    )


def calibration_frames(seed: int, count: int, short_side: int) -> NDArray[np.uint8]:
    """Frames uint8 (count, H, W, 3), RGB, one from each of `count` scenes of separate groups that are in no split."""
    size = (round(WIDTH * short_side / HEIGHT), short_side)
    frames = []
    for number in range(count):
        rng = np.random.default_rng((seed, CALIBRATION, number))
        scene = draw_scene(rng, draw_group(rng), number % len(ACTIONS))
        picture = Image.fromarray(scene.frame(int(rng.integers(scene.length))))
        frames.append(np.asarray(picture.resize(size, Image.Resampling.BILINEAR)))
    return np.stack(frames)


def _canvas(rng: Generator) -> Image.Image:
    """A background of forty polygons with reduced contrast and saturation, large enough for the pan."""
    size = np.array((WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN))
    picture = Image.new("RGB", tuple(size.tolist()), colour(rng.random(), 0.3, 0.5))
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        radius, place = rng.uniform(15, 70), rng.uniform((0, 0), size)
        shape = place + radius * np.array(_outline(rng, int(rng.integers(3, 8))))
        fill = colour(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.25, 0.75))
        draw.polygon([(x, y) for x, y in shape.tolist()], fill=fill)
    return picture


def _distractor(rng: Generator) -> Moving:
    """A small shape that crosses the picture and does not act."""
    outline = _outline(rng, int(rng.integers(3, 7)))
    way = Way((rng.uniform(40, WIDTH - 40), rng.uniform(30, HEIGHT - 30)), (rng.uniform(-80, 80), rng.uniform(-60, 60)))
    return Moving(outline, rng.uniform(16, 26), way, rng.uniform(-math.pi, math.pi), rng.uniform(-0.8, 0.8))


def _outline(rng: Generator, sides: int) -> tuple[Point, ...]:
    """A polygon within the unit circle."""
    angles = (np.arange(sides) + rng.uniform(-0.25, 0.25, sides)) * (2 * math.pi / sides)
    radii = rng.uniform(0.8, 1.0, sides)
    return tuple(zip((radii * np.cos(angles)).tolist(), (radii * np.sin(angles)).tolist(), strict=True))

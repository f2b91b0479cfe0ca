"""The demo data set in the layout of UCF101: four pairs of classes, which are each other's reversal in time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tavlad import console
from tavlad.demo.scene import GROUPS, TAKES, Scene, draw_group, draw_scene
from tavlad.store.making import Place
from tavlad.video.writer import write_video

PAIRS = (("Ripen", "Wither"), ("Open", "Close"), ("Build", "Dismantle"), ("Reveal", "Hide"))  # as in actions.ACTIONS
CLASSES = tuple(name for pair in PAIRS for name in pair)  # keeps partners adjacent in the confusion matrix
SPLITS = 3
FPS = 25
QUANTISER = 16


@dataclass(frozen=True)
class DemoClip:
    """A clip of the demo; groups are numbered from 1."""

    id: str
    label: int
    group: int
    scene: Scene

    @property
    def backwards(self) -> bool:
        """Whether its class is the second of a pair, which shows the first one's scenes in reverse."""
        return self.label % 2 == 1

    def write(self, root: Path) -> None:
        """Encode the clip as `<root>/<id>.avi`."""
        path = root / f"{self.id}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = self.scene.frames(self.backwards)
        write_video(path, frames, FPS, quantiser=QUANTISER)


@dataclass(frozen=True)
class Size:
    """The random seed, the number of groups, and the number of clips per class and group."""

    seed: int
    groups: int
    clips: int


def make_demo(place: Place, size: Size, speed: None) -> None:
    """Write the clips, lists, pairs of classes and true boxes to the folder `place.path`."""
    clips = list(draw_demo(size.seed, size.groups, size.clips))
    for clip in console.track(clips, "demo", len(clips), "clips"):
        clip.write(place.path)
    write_lists(place.path, clips)
    write_boxes(place.path, clips)


def draw_demo(seed: int, groups: int, clips: int) -> Iterator[DemoClip]:
    """Draw `clips` clips per class and group; each scene has its own random stream, independent of all counts.

    A clip and its partner (same group and number) show one scene in opposite directions and are in the same part of
    each split: a model that is blind to time gets exactly one of them right when only the two classes compete.
    """
    for group in range(1, groups + 1):
        look = draw_group(np.random.default_rng((seed, GROUPS, group)))
        for label, name in enumerate(CLASSES):
            for number in range(1, clips + 1):
                rng = np.random.default_rng((seed, TAKES, group, label // 2, number))
                scene = draw_scene(rng, look, label // 2)
                yield DemoClip(f"{name}/v_{name}_g{group:02}_c{number:02}", label, group, scene)


def write_lists(root: Path, clips: list[DemoClip]) -> None:
    """Write classInd.txt, reversals.csv, trainlist01..03.txt, testlist01..03.txt; each group is tested in one split."""
    _write(root / "classInd.txt", [f"{number} {name}" for number, name in enumerate(CLASSES, start=1)])
    _write(root / "reversals.csv", ["class,reversal", *map(",".join, PAIRS)])
    for split in range(1, SPLITS + 1):
        held_out = {clip.group for clip in clips if clip.group % SPLITS == split % SPLITS}
        train = [f"{clip.id}.avi {clip.label + 1}" for clip in clips if clip.group not in held_out]
        test = [f"{clip.id}.avi" for clip in clips if clip.group in held_out]
        _write(root / f"trainlist{split:02}.txt", sorted(train))
        _write(root / f"testlist{split:02}.txt", sorted(test))


def write_boxes(root: Path, clips: list[DemoClip]) -> None:
    """Write boxes.csv: the acting object's true box in every frame of every clip (pixels; x1 and y1 exclusive)."""
    rows = ["clip,frame,x0,y0,x1,y1"]
    for clip in clips:
        for frame, box in enumerate(clip.scene.boxes(clip.backwards)):
            rows.append(",".join(map(str, (clip.id, frame, *box))))
    _write(root / "boxes.csv", rows)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")

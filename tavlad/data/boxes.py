"""Ground-truth boxes of the acting objects, if a data set has a boxes.csv next to its videos, as the demo does."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tavlad.errors import InputError

HEADER = ["clip", "frame", "x0", "y0", "x1", "y1"]


def read_boxes(path: Path) -> dict[str, np.ndarray]:
    """Read the boxes of each clip by id, int64 (n, 4): x0, y0, x1, y1 per frame in pixels of the upright video.

    x1 and y1 are exclusive. InputError names the line if the table is malformed or a clip's frames do not count from 0.
    """
    rows: dict[str, list[list[int]]] = defaultdict(list)
    with open(path, encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        if next(lines, None) != HEADER:
            raise _wrong(path, 1, f"the header is not {','.join(HEADER)}")
        for number, line in enumerate(lines, start=2):
            try:
                clip, frame, *box = line[0], *map(int, line[1:])
            except (ValueError, IndexError):
                raise _wrong(path, number, "is not a clip id and five whole numbers") from None
            if len(box) != 4 or frame != len(rows[clip]):
                raise _wrong(path, number, f"is not frame {len(rows[clip])} of {clip} with four corners")
            rows[clip].append(box)
    return {clip: np.array(boxes) for clip, boxes in rows.items()}


def take_boxes(root: Path, output: Path, originals: Mapping[str, str]) -> None:
    """Check boxes.csv in `root` and copy it to `output`, or write one without rows if there is none.

    `originals` maps the ids of reversals to their originals, whose rows they share: both number the same file's frames.
    """
    source, rows = root / "boxes.csv", [HEADER]
    if source.exists():
        boxes = read_boxes(source)
        with open(source, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        for one, original in originals.items():
            rows += [[one, *map(str, (frame, *box))] for frame, box in enumerate(boxes.get(original, ()))]
    with open(output, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def in_crop(boxes: np.ndarray, facts: Mapping[str, Any], height: int, width: int, crop: int) -> np.ndarray:
    """The boxes of the sampled frames, float64 (T, 4), as fractions of the centre crop's side, clipped to the crop.

    `boxes` (n, 4) covers every frame, `facts` is the frame file's metadata, `height` and `width` are the stored size.
    """
    upright = (facts["height"], facts["width"]) if facts["rotation"] % 180 else (facts["width"], facts["height"])
    scale = np.array([width / upright[0], height / upright[1]] * 2)
    corner = np.array([(width - crop) // 2, (height - crop) // 2] * 2)
    shares: np.ndarray = np.clip((boxes[facts["indices"]] * scale - corner) / crop, 0, 1)
    return shares


def _wrong(path: Path, line: int, reason: str) -> InputError:
    advice = "Repair boxes.csv, or remove it: it only serves to measure the attention."
    return InputError(f"{path} contains no boxes", [(f"line {line}", reason)], advice)

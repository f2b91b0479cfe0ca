"""Classification of a long video by windows: decoded once, maps computed once per frame, constant memory."""

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, count, pairwise, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tavlad.learning.inference import logits_of, maps_of_frames
from tavlad.learning.prediction import DEADLINE, MEGABYTES, gpu_named
from tavlad.learning.scoring import Scorer
from tavlad.store.locking import scratch
from tavlad.video.grid import Grid, grid_of
from tavlad.video.jpeg import unpacked
from tavlad.video.opening import BadVideo
from tavlad.video.parts import Part, decode_part
from tavlad.video.workers import Failure, supervise


@dataclass(frozen=True, eq=False)
class Window:
    """Window `number` of a video: probabilities float32 (Y), and its middle frame uint8 (H, W, 3)."""

    number: int
    probabilities: np.ndarray
    picture: np.ndarray


@dataclass(frozen=True, eq=False)
class Stretch:
    """The next complete windows of a video, decoded up to `until` of about `duration` (s; 0: unknown)."""

    grid: Grid
    duration: float
    until: float
    windows: list[Window]


def look(video: str, scorer: Scorer, window: float, stride: float) -> Generator[Stretch, None, None]:
    """Classify the windows of `video`, with the window and stride (s) of `grid_of`; raises BadVideo.

    A separate process decodes one part ahead. A window equals the prediction for the video cut to it, except for the
    rounding of a batch; what follows the last whole window is ignored.
    """
    facts = scorer.facts
    assert facts.frames and facts.short_side and facts.jpeg_quality, "load_scorer() has seen to it"
    sizes = facts.frames, facts.short_side, facts.jpeg_quality
    windows: _Windows | None = None
    with scratch() as folder:
        jobs = ((video, str(folder / f"{number}.jpegs"), number, window, stride, sizes) for number in count())
        decoded: Any = supervise(decode_part, jobs, 1, DEADLINE, MEGABYTES)
        with closing(decoded):  # before the folder is removed
            for (_, file, *_), outcome in decoded:
                if isinstance(outcome, Failure):
                    raise BadVideo(video, outcome.reason)
                part = Part(**outcome)
                windows = windows or _Windows(scorer, grid_of(window, stride, facts.frames, Fraction(part.rate)))
                whole = list(windows.after(part, _frames(Path(file), part)))
                yield Stretch(windows.grid, part.duration, float(Fraction(part.until)), whole)
                if part.doubt:
                    raise BadVideo(video, part.doubt)
                if part.ended:
                    return


def _frames(file: Path, part: Part) -> np.ndarray | None:
    """The frames uint8 (N, H, W, 3) of a part's file, which is deleted; None if it has none."""
    packed = file.read_bytes()
    file.unlink()
    places = pairwise(accumulate(part.lengths, initial=0))
    return unpacked(packed[start:end] for start, end in places) if part.lengths else None


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame uint8 (H, W, 3), and its maps to encode and to attend by, both (1, 1, C, h, w)."""

    frame: np.ndarray
    maps: tuple[Tensor, Tensor]


class _Windows:
    """The windows still waiting for frames."""

    def __init__(self, scorer: Scorer, grid: Grid):
        self.scorer, self.grid = scorer, grid
        self.open: dict[int, list[_Seen]] = defaultdict(list)

    def after(self, part: Part, frames: np.ndarray | None) -> Iterator[Window]:
        """The windows completed by a part with frames uint8 (N, H, W, 3)."""
        with gpu_named():
            for seen, numbers in zip(self._seen(frames), part.takes, strict=True):
                for number in numbers:
                    self.open[number].append(seen)
            until = Fraction(part.until)
            for number in list(takewhile(lambda one: self._whole(one, until), self.open)):
                yield self._window(number, self.open.pop(number))

    def _whole(self, number: int, until: Fraction) -> bool:
        ended = number * self.grid.stride + self.grid.window <= until
        return ended and len(self.open[number]) == self.grid.frames

    def _seen(self, frames: np.ndarray | None) -> Iterator[_Seen]:
        if frames is None:
            return
        model, crop = self.scorer.model, self.scorer.facts.crop
        assert crop, "a model of stage 2 has one"
        maps, attended = maps_of_frames(model, frames, crop, self.scorer.precision, self.scorer.device)
        for place, frame in enumerate(frames):
            # copies, or one kept frame would keep its whole part in memory
            one = maps[:, place : place + 1].clone()
            yield _Seen(frame.copy(), (one, one if attended is maps else attended[:, place : place + 1].clone()))

    def _window(self, number: int, taken: Sequence[_Seen]) -> Window:
        maps = torch.cat([seen.maps[0] for seen in taken], dim=1)
        same = taken[0].maps[0] is taken[0].maps[1]
        attended = maps if same else torch.cat([seen.maps[1] for seen in taken], dim=1)
        logits = torch.from_numpy(logits_of(self.scorer.model, maps, attended, self.scorer.precision))
        return Window(number, logits.softmax(dim=0).numpy(), taken[len(taken) // 2].frame)

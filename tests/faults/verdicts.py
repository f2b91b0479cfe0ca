"""The outcome for a file of the corpus, and whether it is acceptable."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tavlad.store import making
from tavlad.video.batch import Tolerance
from tavlad.video.frames import read_frame_facts, read_frames_file
from tests.faults.corpus import Case
from tests.video.painted import numbers

OUTCOMES = ("frames", "doubted", "refused", "deadline", "memory", "crashed")
STOPS = {
    "took longer than": "deadline",
    "needed more than": "memory",
    "was killed": "memory",
    "the decoder crashed": "crashed",
    "the decoder ended": "crashed",
}
UNFORESEEN = re.compile(r"[A-Z]\w*: ")  # the name of an exception: the reason that a worker gives for unforeseen errors
BRIGHTNESS = 5.0  # of 255: change in a frame's mean brightness that scaling and JPEG may cause


@dataclass(frozen=True)
class Result:
    """The stage's result for one file: the `reason` why it cannot be used, or `facts` and `frames` if it decoded."""

    reason: str | None
    facts: dict[str, Any] | None = None
    frames: np.ndarray | None = None

    @property
    def outcome(self) -> str:
        """One of OUTCOMES."""
        if self.facts:
            return "doubted" if self.reason else "frames"
        return next((stop for words, stop in STOPS.items() if (self.reason or "").startswith(words)), "refused")


def stored(found: making.Result, reason: str | None) -> Result:
    """The result of one clip from `decode_all`; `reason` is why the stage would not use it."""
    if found.path is None:
        return Result(found.reason)
    return Result(reason, read_frame_facts(found.path), read_frames_file(found.path))


@dataclass(frozen=True)
class Verdict:
    """A file and its outcome.

    `origin` is the result for its source video, `plain` the answer of plain PyAV (None: not asked), `sampled` is
    the number of frames to take.
    """

    case: Case
    result: Result
    origin: Result | None
    plain: dict[str, Any] | None
    sampled: int
    tolerance: Tolerance

    @property
    def unjudged(self) -> bool:
        """Whether the reference was stopped by its own limits, so that the frames cannot be compared."""
        stopped = self.plain is not None and "ended with status" in (self.plain.get("error") or "")
        return stopped and self.result.facts is not None

    @property
    def unnoticed(self) -> bool:
        """Whether more frames are lost than allowed without any count, error or flag that shows it."""
        facts = self.result.facts or {}
        if self.result.outcome != "frames" or not (self.origin and self.origin.facts):
            return False
        few = facts["decoded_count"] < (1 - self.tolerance.missing) * self.origin.facts["decoded_count"]
        return few and not facts["corrupt"] and not facts["concealed"]

    def wrongs(self) -> Iterator[str]:
        """Everything that is wrong with the outcome."""
        reason, facts, frames = self.result.reason, self.result.facts, self.result.frames
        if reason is not None and (not reason.strip() or "\n" in reason):
            yield f"the reason is {reason!r}"
        if facts is None or frames is None:
            yield from self._wrong_failure(reason or "")
            return
        count, header = facts["decoded_count"], facts["header_count"]
        if facts["indices"] != [(2 * place + 1) * count // (2 * self.sampled) for place in range(self.sampled)]:
            yield f"samples {facts['indices']} of {count} frames"
        if len(frames) != self.sampled:
            yield f"holds {len(frames)} frames"
        errors = facts["corrupt"] + facts["concealed"]
        few = count < (1 - self.tolerance.missing) * header
        if (few or errors > self.tolerance.damage * count) != (self.result.outcome == "doubted"):
            yield f"{count} of {header} frames decode, with {errors} errors, and that was called {self.result.outcome}"
        yield from self._wrong_frames(facts, frames)

    def _wrong_failure(self, reason: str) -> Iterator[str]:
        expect = self.case.expect
        if UNFORESEEN.match(reason):
            yield f"an unforeseen error: {reason}"
        if expect in ("these", "as many"):
            yield f"is whole, but was refused: {reason}"
        elif expect == "as the source" and not (self.origin and self.origin.reason == reason):
            yield f"its source is read, but it was refused: {reason}"
        elif expect == "a reason" and self.result.outcome != "refused":
            yield f"had to be stopped: {reason}"

    def _wrong_frames(self, facts: dict[str, Any], frames: np.ndarray) -> Iterator[str]:
        count, shows = facts["decoded_count"], self.case.shows
        if self.case.expect in ("a reason", "an end"):
            yield f"is not a video, but {count} frames were taken from it"
        elif self.case.expect == "as the source":
            yield from _other_than(self.origin, facts, frames)
        elif self.case.expect == "either":
            if not self.unjudged:
                yield from _other_than_plain(self.plain or {"films": []}, facts, frames)
        elif count != len(shows):
            yield f"has {len(shows)} frames, {count} were counted"
        elif self.case.expect == "these":
            wanted = [shows[index] for index in facts["indices"]]
            if numbers(frames) != wanted:
                yield f"shows {wanted}, stored was {numbers(frames)}"


def _other_than(origin: Result | None, facts: dict[str, Any], frames: np.ndarray) -> Iterator[str]:
    if not origin or not origin.facts or not np.array_equal(origin.frames, frames):
        yield "gives other frames than the same bytes gave before"
    elif repr(origin.facts) != repr(facts):  # compared as text, because times may be NaN
        yield f"the same bytes gave {origin.facts} and now {facts}"


def _other_than_plain(plain: dict[str, Any], facts: dict[str, Any], frames: np.ndarray) -> Iterator[str]:
    films = [film for film in plain["films"] if film["error"] is None and film["count"] == facts["decoded_count"]]
    if not films:
        found = [f"{film['count']} ({film['error'] or 'no error'})" for film in plain["films"]]
        said = ", ".join(found) or plain.get("error", "no film")
        yield f"{facts['decoded_count']} frames were counted, plain PyAV says {said}"
        return
    if facts["header_count"] not in [film["header"] for film in films]:
        yield f"the header was read as {facts['header_count']}, plain PyAV says {[film['header'] for film in films]}"
    if facts["corrupt"] or facts["concealed"]:  # the concealment of errors depends on which buffers are free
        return
    seen = frames.mean((1, 2, 3)).round(1).tolist()
    meant = [[film["means"][index] for index in facts["indices"]] for film in films]
    if not any(_alike(seen, means) for means in meant):
        yield f"the brightness of the frames is {seen}, plain PyAV says {meant}"


def _alike(seen: list[float], means: list[float | None]) -> bool:
    return all(mean is None or abs(one - mean) < BRIGHTNESS for one, mean in zip(seen, means, strict=True))

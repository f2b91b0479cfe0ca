"""Decoding many clips: decode those missing from the store, and limit how much of a clip may be missing or damaged."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tavlad.console import quantity
from tavlad.data.reversal import originals
from tavlad.data.table import Clip
from tavlad.data.times import milliseconds
from tavlad.errors import InputError
from tavlad.store.inputs import Input
from tavlad.store.making import Engine, Result, here, made_all
from tavlad.store.store import Store
from tavlad.video import backwards, decode
from tavlad.video.frames import read_frame_facts, read_frames_recipe
from tavlad.video.timing import Span


@dataclass(frozen=True)
class Tolerance:
    """What is tolerated in a clip: at least `min_frames`; the share of the header's frames that may be `missing`; and
    the errors concealed or flagged by the decoder per decoded frame (`damage`), up to the end of the clip."""

    min_frames: int
    missing: float
    damage: float

    def doubt(self, decoded: int, header: int, errors: int, part: tuple[int, int] | None = None) -> str | None:
        """Why a clip cannot be trusted, given its decoded frames, the header's count, and its errors; or None.

        A `header` of 0 means unknown. `part` is the range of frames [begin, end) of a segment in its file.
        """
        begin, end = part or (0, decoded)
        if end - begin < self.min_frames:
            return f"decodes to only {quantity(end - begin, 'frame')}, fewer than min_frames: {self.min_frames}"
        if decoded < (1 - self.missing) * header:
            return f"the header says {header} frames, only {decoded} decode"
        if errors > self.damage * end:
            most = f"damage: {self.damage:g} a frame"
            return f"the decoder conceals {errors} errors in {end} frames, more than {most}"
        return None


STAGE = "decode"
NAMED = 3  # damaged clips listed in the warning, those with the most errors
COUNTS = "decoded_count", "header_count", "begin", "end", "corrupt", "concealed"  # fields of `DecodedClip`
ERRORS = slice(COUNTS.index("corrupt"), None)  # the part of COUNTS
ADVICE = "Repair these files, or name their ids under dataset.exclude in params.yaml. All other clips' frames are kept."


def decode_all(
    store: Store,
    clips: Sequence[Clip],
    root: Path,
    sampling: decode.Sampling,
    limits: decode.Limits,
    engine: Engine = here,
) -> Iterator[Result]:
    """Decode `clips`, whose files are below `root`; yields each clip's frame file in `store`, or why it has none.

    The segments of a file are consecutive, so that they form one job. Reversals come last: each has its own entry, made
    from that of its original, or fails for the same reason.
    """
    each, found, reversals = {}, dict[str, Result](), originals(clips)
    first = {clip.path: number for number, clip in reversed([*enumerate(clips)])}
    for clip in sorted(clips, key=lambda clip: first[clip.path]):
        if clip.status == "missing":
            yield Result(clip.id, None, reason="is listed, but the file is missing")
        elif clip.id not in reversals:
            span = Span(milliseconds(clip.start), milliseconds(clip.end)) if clip.end else None
            each[clip.id] = decode.Video(clip.id, Input(root / clip.path, clip.digest), span)
    for result in made_all(store, STAGE, engine(decode.make_frames), sampling, each, limits, _recipe):
        found[result.name] = result
        yield result
    yield from _reverse_all(store, {one: found[name] for one, name in reversals.items() if name in found})


def _reverse_all(store: Store, found: Mapping[str, Result]) -> Iterator[Result]:
    """Make the reversals; `found` has the result of each one's original."""
    each = {}
    for one, original in found.items():
        if original.path is None:
            yield Result(one, None, reason=original.reason)
        else:
            each[one] = backwards.Original(one, Input(original.path, _recipe(original.path)))
    if each:
        yield from made_all(store, STAGE, backwards.make_reversals, None, each, None, _recipe)


def _recipe(entry: Path) -> str:
    """The recipe of a frame file; its facts are read as well, since `Tally` needs them."""
    read_frame_facts(entry)
    return read_frames_recipe(entry)


@dataclass
class Tally:
    """The results of one run, counted."""

    tolerance: Tolerance
    good: int = 0
    new: int = 0
    size: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, ...]] = field(default_factory=dict)  # COUNTS of each usable clip

    def add(self, result: Result) -> Path | None:
        """Count a clip, and return its frame file if usable. The limits apply to cached files as well."""
        reason: str | None = result.reason
        if result.path is not None:
            facts = read_frame_facts(result.path)
            decoded, header, begin, end, *errors = counts = tuple(facts[name] for name in COUNTS)
            reason = self.tolerance.doubt(decoded, header, sum(errors), (begin, end))
        if reason or result.path is None:
            self.bad.append((result.name, reason or ""))
            return None
        self.counts[result.name] = counts
        self.good, self.new, self.size = self.good + 1, self.new + result.new, self.size + result.path.stat().st_size
        return result.path

    def line(self, frames: int) -> str:
        """A one-line summary."""
        size = self.size / max(self.good, 1) / 1e6
        return f"decoded {quantity(self.good, 'clip')} ({self.new} new), {frames} frames each, {size:.2g} MB a clip"

    def checked(self) -> str | None:
        """Raise InputError naming every bad clip; else return a warning about clips with concealed errors, or None."""
        if self.bad:
            title = f"{len(self.bad)} of {len(self.bad) + self.good} clips cannot be used"
            raise InputError(title, sorted(self.bad), ADVICE)
        errors = {clip: sum(counts[ERRORS]) for clip, counts in self.counts.items() if sum(counts[ERRORS])}
        worst = sorted(errors, key=lambda clip: (-errors[clip], clip))[:NAMED]
        names = ", ".join(f"{clip} ({errors[clip]})" for clip in worst) + (", ..." if len(errors) > NAMED else "")
        return f"{quantity(len(errors), 'clip')} with errors that the decoder conceals: {names}" if names else None

    def write_counts(self, path: Path) -> None:
        """Write CSV: clip, decoded frames of its file, frames according to the header (0: unknown), begin and end of
        the clip, damage flags and concealed errors up to its end."""
        with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["clip", *COUNTS])
            writer.writerows([clip, *counts] for clip, counts in sorted(self.counts.items()))

"""Decoding many clips: what the work store has is found, the rest is decoded by supervised workers."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tavlad.clips.table import Clip
from tavlad.console import Failures
from tavlad.integrity import blame
from tavlad.recipes import code, digest, versions
from tavlad.store import Store
from tavlad.video import decode
from tavlad.video.frames import read_facts, read_recipe
from tavlad.video.tolerance import Tolerance
from tavlad.video.workers import Failure, supervise

STAGE = "decode"
NAMED = 3  # damaged clips that the warning names, those with the most errors
COUNTS = "decoded_count", "header_count", "corrupt", "concealed"  # of the facts of a clip
ADVICE = "Repair these files, or name their ids under dataset.exclude in params.yaml. All other clips' frames are kept."


@dataclass(frozen=True)
class Limits:
    """What a clip may cost, and how many are decoded at once (0 workers: one for each CPU)."""

    workers: int
    deadline: float  # seconds
    megabytes: int


def by_recipe(clips: Iterable[Clip], deciding: Mapping[str, Any]) -> dict[str, Clip]:
    """The clips under the digest of all that decides their frames; `deciding` holds the parameters among it."""
    libraries = versions("av", "numpy", "pillow", "h5py")
    common = {"params": dict(deciding), "versions": libraries, "code": code(decode)}
    return {digest({"clip": clip.id, "input": clip.digest, **common}): clip for clip in clips}


def decode_all(
    clips: Mapping[str, Clip], root: Path, store: Store, count: int, short_side: int, jpeg_quality: int, limits: Limits
) -> Iterator[tuple[Clip, Path | Failure, bool]]:
    """Each of `clips` (by recipe), with its frame file in `store` or its Failure, and whether it was decoded now."""

    def jobs() -> Iterator[tuple[str, str, str, int, int, int, str]]:
        for key in lacking:
            clip = clips[key]
            yield str(root / clip.path), str(store.scratch / key), clip.id, count, short_side, jpeg_quality, key

    lacking = []
    for key, clip in clips.items():
        if clip.status == "missing":
            yield clip, Failure("is listed, but the file is missing"), False
        elif entry := store.find_made(STAGE, key, _recipe):
            yield clip, entry, False
        else:
            lacking.append(key)
    for job, outcome in supervise(decode.decode_clip, jobs(), limits.workers, limits.deadline, limits.megabytes):
        written, key = Path(job[1]), job[-1]
        if isinstance(outcome, Failure):
            written.unlink(missing_ok=True)
            blame(store.root, store.scratch, outcome.reason)  # where the disk is full, no clip is at fault
            yield clips[key], outcome, False
        else:
            with store.create(STAGE, key) as aside:
                written.rename(aside)
            yield clips[key], store.get(STAGE, key), True


def _recipe(entry: Path) -> str:
    """What a frame file was made by; its facts are read as well, for the tally needs them."""
    read_facts(entry)
    return read_recipe(entry)


@dataclass
class Tally:
    """What became of the clips of one run."""

    tolerance: Tolerance
    good: int = 0
    new: int = 0
    size: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by clip that may be used: COUNTS

    def add(self, clip: Clip, result: Path | Failure, new: bool) -> Path | None:
        """Count a clip; its frame file, if it may be used. The limits apply to files found in the store as well."""
        reason: str | None
        if isinstance(result, Failure):
            reason = result.reason
        else:
            facts = read_facts(result)
            decoded, header, *errors = counts = tuple(facts[name] for name in COUNTS)
            reason = self.tolerance.doubt(decoded, header, sum(errors))
        if reason or isinstance(result, Failure):
            self.bad.append((clip.id, reason or ""))
            return None
        self.counts[clip.id] = counts
        self.good, self.new, self.size = self.good + 1, self.new + new, self.size + result.stat().st_size
        return result

    def line(self, frames: int) -> str:
        """The clips in one line."""
        size = self.size / max(self.good, 1) / 1e6
        return f"decoded {self.good} clips ({self.new} new), {frames} frames each, {size:.2g} MB a clip"

    def checked(self) -> str | None:
        """Raise Failures naming every bad clip; else a warning of those with errors that the decoder passed over."""
        if self.bad:
            title = f"{len(self.bad)} of {len(self.bad) + self.good} clips cannot be used"
            raise Failures(title, sorted(self.bad), ADVICE)
        errors = {clip: sum(counts[2:]) for clip, counts in self.counts.items() if sum(counts[2:])}
        worst = sorted(errors, key=lambda clip: (-errors[clip], clip))[:NAMED]
        names = ", ".join(f"{clip} ({errors[clip]})" for clip in worst) + (", ..." if len(errors) > NAMED else "")
        return f"{len(errors)} clips decode with errors that the decoder conceals: {names}" if names else None

    def write_counts(self, path: Path) -> None:
        """Write CSV: clip, frames that decode, frames by its header (0: unknown), flags of damage, errors concealed."""
        with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["clip", *COUNTS])
            writer.writerows([clip, *counts] for clip, counts in sorted(self.counts.items()))

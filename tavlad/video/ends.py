"""Check that segments are within their videos, from headers and packets, before anything is decoded."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tavlad.data.table import Clip
from tavlad.data.times import milliseconds
from tavlad.video.workers import Failure, supervise

DEADLINE = 120.0  # seconds for one file, or for a thousand of its packets
MEGABYTES = 1000


def segments_beyond(root: Path, clips: Iterable[Clip], workers: int) -> dict[str, str]:
    """By id, why some of `clips` are not within their files below `root`.

    Unreadable files are skipped: stage decode reports them.
    """
    by_file: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.end and clip.status == "present":
            by_file[str(root / clip.path)].append(clip)
    jobs = [
        (file, [(milliseconds(one.start), milliseconds(one.end)) for one in found]) for file, found in by_file.items()
    ]
    reasons: dict[str, str] = {}
    for (file, _), outcome in supervise(compare_with_end, jobs, workers, DEADLINE, MEGABYTES):
        if not isinstance(outcome, Failure):
            reasons |= {one.id: reason for one, reason in zip(by_file[file], outcome, strict=True) if reason}
    return reasons


def compare_with_end(video: str, times: Sequence[tuple[int, int]]) -> list[str]:
    """Why each segment of `times` (ms) is not within the file `video`, or ""; raises BadVideo.

    The packets are read only if a segment ends after the header's duration, which may be wrong.
    """
    # only workers load PyAV: stage index starts without it
    from tavlad.video.opening import counted_errors, opened_video
    from tavlad.video.timing import Span, duration_of, packet_moments

    spans = [Span(*one) for one in times]
    with counted_errors(), opened_video(video) as (container, stream):
        said = round(1000 * duration_of(container, stream))
    if any(span.beyond(said) for span in spans):
        said = packet_moments(video)[1]
    return [span.beyond(said) for span in spans]

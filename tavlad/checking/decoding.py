"""Whether every clip of a data set decodes, by the rules and the limits of stage decode; nothing is written."""

from collections.abc import Sequence
from pathlib import Path

from tavlad import console
from tavlad.video.decode import Limits
from tavlad.video.reader import read_clip
from tavlad.video.tolerance import Tolerance
from tavlad.video.workers import Failure, supervise


def count_frames(video: str, frames: int, short_side: int) -> tuple[int, int, int]:
    """Frames decoded, frames by the header, errors passed over, of the file `video`; raises BadVideo.

    The frames of the clip are scaled as well: only that shows that the picture changes its shape midway.
    """
    clip = read_clip(video, frames, short_side)
    return clip.decoded_count, clip.header_count, clip.corrupt + clip.concealed


def verdicts(
    root: Path, videos: Sequence[str], frames: int, short_side: int, tolerance: Tolerance, limits: Limits
) -> tuple[list[tuple[str, str]], list[str]]:
    """(video, reason) for all `videos` below `root` that stage decode would refuse, and those with concealed errors."""
    damaged: list[str] = []
    same, bad = _files(root, videos)
    jobs = ((path, frames, short_side) for path in same)
    with console.bar("decode", len(videos) - len(bad), "clips") as advance:
        for job, outcome in supervise(count_frames, jobs, limits.workers, limits.deadline, limits.megabytes):
            names = same[job[0]]
            if isinstance(outcome, Failure):
                reason: str | None = outcome.reason
            else:
                decoded, header, errors = outcome
                reason = tolerance.doubt(decoded, header, errors)
                damaged += names if errors and not reason else []
            bad += [(name, reason) for name in names if reason]
            advance(len(names))
    return sorted(bad), sorted(damaged)


def _files(root: Path, videos: Sequence[str]) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The names of each file, by one path of it, and (video, reason) where there is none.

    Links to one file hold the same bytes and need one decoding.
    """
    names: dict[tuple[int, int, str], list[str]] = {}
    lost = []
    for video in videos:
        try:
            status = (root / video).stat()
        except OSError as error:
            lost.append((video, f"cannot be read: {error.strerror}"))
        else:
            # the suffix as well: FFmpeg looks at it
            names.setdefault((status.st_dev, status.st_ino, Path(video).suffix), []).append(video)
    return {str(root / same[0]): same for same in names.values()}, lost

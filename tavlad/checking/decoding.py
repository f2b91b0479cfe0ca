"""Whether the clips of a folder decode, by the rules of stage decode."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tavlad import console
from tavlad.data.listing import Entry, Problem
from tavlad.data.times import milliseconds
from tavlad.video.batch import Tolerance
from tavlad.video.cutting import read_segments
from tavlad.video.decode import Limits
from tavlad.video.frames import DecodedClip
from tavlad.video.reader import read_clip
from tavlad.video.timing import Span
from tavlad.video.workers import Failure, supervise

# frames by the header, errors passed over, the clip's first frame, the one after its last
Counts = tuple[int, int, int, int]


def count_frames(
    video: str, times: Sequence[tuple[int, int]], frames: int, short_side: int
) -> tuple[int, list[Counts | str]]:
    """Count the frames of the file `video`, and make `Counts` of each segment in `times` (ms), or the reason why not.

    Without `times`, the whole video is the only segment. Frames are also scaled, because only that detects a picture
    size that changes midway. Raises BadVideo.
    """
    if not times:
        clip = read_clip(video, frames, short_side)
        return clip.decoded_count, [_counted(clip)]
    counts: dict[int, Counts | str] = {}

    def take(number: int, segment: DecodedClip) -> None:
        counts[number] = _counted(segment)

    decoded, failed = read_segments(video, [Span(*one) for one in times], frames, short_side, take)
    counts |= failed
    return decoded, [counts[number] for number in range(len(times))]


def _counted(clip: DecodedClip) -> Counts:
    return clip.header_count, clip.corrupt + clip.concealed, clip.begin, clip.end


def verdicts(
    root: Path,
    videos: Sequence[str],
    frames: int,
    short_side: int,
    tolerance: Tolerance,
    limits: Limits,
    entries: Mapping[str, Entry],
) -> tuple[list[Problem], list[str]]:
    """(name, reason) for clips below `root` that stage decode would refuse, and the names of those that conceal errors.

    `videos` are the names in a listing; `entries` has the path and times of those that are not paths.
    """
    damaged: list[str] = []
    files, bad = _files(root, videos, entries)
    jobs = {(path, times): names for path, clips in files.items() for times, names in _passes(clips, entries)}
    orders = ((path, times, frames, short_side) for path, times in jobs)
    with console.bar("decode", len(videos) - len(bad), "clips") as advance:
        for (path, times, *_), outcome in supervise(
            count_frames, orders, limits.workers, limits.deadline, limits.megabytes
        ):
            names = jobs[path, times]
            decoded, counts = (0, [outcome.reason]) if isinstance(outcome, Failure) else outcome
            for name, found in zip(names, counts * len(names) if len(counts) == 1 else counts, strict=True):
                reason = found if isinstance(found, str) else tolerance.doubt(decoded, found[0], found[1], found[2:])
                damaged += [name] if not reason and found[1] else []
                bad += [(name, reason)] if reason else []
            advance(len(names))
    return sorted(bad), sorted(damaged)


def _passes(names: Sequence[str], entries: Mapping[str, Entry]) -> list[tuple[tuple[tuple[int, int], ...], list[str]]]:
    """The decoding passes through a file: the times of its segments, or none for the whole video, with the names."""
    cut = [name for name in names if name in entries and entries[name].end]
    whole = [name for name in names if name not in cut]
    times = tuple((milliseconds(entries[name].start), milliseconds(entries[name].end)) for name in cut)
    return [one for one in (((), whole), (times, cut)) if one[1]]


def _files(
    root: Path, videos: Sequence[str], entries: Mapping[str, Entry]
) -> tuple[dict[str, list[str]], list[Problem]]:
    """The names of each file, by one of its paths, and (name, reason) for missing files.

    Links to the same file are decoded once.
    """
    names: dict[tuple[int, int, str], list[str]] = {}
    paths: dict[tuple[int, int, str], str] = {}
    lost = []
    for video in videos:
        path = entries[video].path if video in entries else video
        try:
            status = (root / path).stat()
        except OSError as error:
            lost.append((video, f"cannot be read: {error.strerror}"))
        else:
            # including the suffix, which FFmpeg takes into account
            same = status.st_dev, status.st_ino, Path(path).suffix
            names.setdefault(same, []).append(video)
            paths.setdefault(same, str(root / path))
    return {paths[same]: found for same, found in names.items()}, lost

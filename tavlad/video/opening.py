"""Opening video files: which files are accepted, what their headers promise, and the errors that FFmpeg logs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

SANE_ASPECT = (Fraction(1, 4), Fraction(4))  # a pixel aspect ratio outside this range is a broken header
# Playlists would make FFmpeg open other files than the one whose digest is known; the rest renders text as pictures.
NO_VIDEOS = {"concat", "dash", "hls", "image2", "sdp", "webm_dash_manifest", "adf", "bin", "idf", "tty", "xbin"}
FORMATS = ",".join(sorted(av.formats_available - NO_VIDEOS))


class BadVideo(Exception):
    """A file whose frames cannot be trusted; `reason` is shown to users."""

    def __init__(self, path: Path | str, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


@contextmanager
def opened_video(path: Path | str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its video stream, decoded in this thread only; closed explicitly, since PyAV leaks memory
    otherwise. Raises BadVideo."""
    if not os.path.isfile(path):
        raise BadVideo(path, "is not a file" if os.path.exists(path) else "the file is missing")
    if not os.path.getsize(path):
        raise BadVideo(path, "the file is empty")
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}  # `a:b.avi` must not be read as a protocol
    try:
        container = av.open(os.path.abspath(path), metadata_errors="replace", container_options=options)
    except av.FFmpegError as error:
        raise explained(path, error, "cannot be opened as a video") from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
            raise BadVideo(path, "has no video stream")
        if not stream.codec_context:
            raise BadVideo(path, "its codec is unknown")
        stream.thread_type, stream.thread_count = "NONE", 1  # parallelism comes from worker processes
        yield container, stream


def promised(container: InputContainer, stream: VideoStream) -> int:
    """The number of displayed frames according to the header; 0 if unknown.

    MP4 and MOV also count frames hidden by an edit list (clips trimmed on a phone), but their duration covers only what
    is displayed.
    """
    count = max(stream.frames, 0)
    if "mov" in container.format.name and stream.duration and stream.time_base and stream.average_rate:
        count = min(count, round(stream.duration * stream.time_base * stream.average_rate))
    return count


def aspect_of(stream: VideoStream) -> Fraction:
    """The width of a pixel over its height; 1 if the header has no plausible value."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return aspect if SANE_ASPECT[0] <= aspect <= SANE_ASPECT[1] else Fraction(1)


def explained(path: Path | str, error: av.FFmpegError, what: str) -> Exception:
    """Turn `error` into a BadVideo; a MemoryError is not the file's fault and is returned as it is."""
    return error if isinstance(error, MemoryError) else BadVideo(path, f"{what} ({error.strerror})")


@contextmanager
def counted_errors() -> Iterator[Callable[[], int]]:
    """Yield a function that counts the errors FFmpeg has logged since; nothing is printed."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.PANIC)
    before = av.logging.get_last_error()[0]
    try:
        yield lambda: av.logging.get_last_error()[0] - before
    finally:
        av.logging.set_level(level)

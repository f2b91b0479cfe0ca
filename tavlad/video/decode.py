"""What one worker does with one clip: decode, sample, compress, write. Its imports decide what is stored."""

from pathlib import Path

from tavlad.video.frames import write_frames
from tavlad.video.reader import read_clip


def decode_clip(
    video: str, output: str, clip_id: str, count: int, short_side: int, jpeg_quality: int, recipe: str
) -> None:
    """Write `count` frames of the file `video` to a new frame file at `output`; raises BadVideo."""
    write_frames(Path(output), clip_id, read_clip(video, count, short_side), jpeg_quality, recipe)

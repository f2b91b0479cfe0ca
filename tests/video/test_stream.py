"""Frames streamed are the frames sampled; films written play as they say."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tavlad.video.reader import BadVideo, read_clip
from tavlad.video.stream import stream_frames, write_stream

CLIPS = Path(__file__).parents[3] / "shared" / "clips"


def write_film(path: Path, n: int = 12, size: tuple[int, int] = (48, 64)) -> Path:
    rng = np.random.default_rng(0)
    write_stream(path, (rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(n)), 30000 / 1001)
    return path


def test_streamed_frames_are_those_that_the_reader_samples(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4")
    clip = read_clip(film, 5, 40)
    streamed = list(stream_frames(film, 40))
    assert len(streamed) == clip.decoded_count == 12
    np.testing.assert_array_equal(np.stack([streamed[index] for index in clip.indices]), clip.frames)


@pytest.mark.skipif(not CLIPS.exists(), reason="the sample clips are not here")
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_streamed_frames_are_upright(angle: int) -> None:
    file = CLIPS / "odd" / f"decord_video_rot{angle}.mov"
    clip = read_clip(file, 2, 64)
    streamed = list(stream_frames(file, 64))
    np.testing.assert_array_equal(np.stack([streamed[index] for index in clip.indices]), clip.frames)


@pytest.mark.parametrize(
    "fps, rate", [(30000 / 1001, Fraction(30000, 1001)), (12.5, Fraction(25, 2)), (0, 25), (9e4, 25)]
)
def test_a_film_has_its_frames_at_its_rate_in_a_form_that_players_know(
    tmp_path: Path, fps: float, rate: Fraction
) -> None:
    levels = [40, 120, 200, 80]
    write_stream(tmp_path / "film.mp4", (np.full((64, 96, 3), level, np.uint8) for level in levels), fps)
    with av.open(tmp_path / "film.mp4") as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p" and stream.codec_context.name in ("h264", "mpeg4")
        assert (stream.average_rate, stream.width, stream.height) == (rate, 96, 64)
        decoded = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(stream)]
    assert decoded == pytest.approx(levels, abs=4)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(BadVideo, match="cannot be opened"):
        next(stream_frames(tmp_path / "text.mp4", 40))
    with pytest.raises(ValueError, match="at least one frame"):
        write_stream(tmp_path / "empty.mp4", [], 25)

"""Written videos: exact where promised, the same bytes each time, and each frame coded alone where asked."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from tavlad.video.writer import write_video


def noise(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def moving(count: int) -> np.ndarray:
    """A bright square that moves by two pixels a frame."""
    frames = np.full((count, 96, 128, 3), 60, np.uint8)
    for t in range(count):
        frames[t, 30:60, 2 * t : 2 * t + 30] = (230, 180, 40)
    return frames


def decoded(path: Path) -> tuple[np.ndarray, list[int]]:
    with av.open(path) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].average_rate == 25
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [frame.pict_type for frame in frames]


@pytest.mark.parametrize(("codec", "pixel_format", "quantiser"), [("ffv1", "bgr0", None), ("libx264rgb", "rgb24", 0)])
def test_lossless_codecs_return_the_frames(
    tmp_path: Path, codec: str, pixel_format: str, quantiser: int | None
) -> None:
    frames = noise(7)
    write_video(tmp_path / "clip.mkv", iter(frames), 25, codec, pixel_format, quantiser)
    np.testing.assert_array_equal(decoded(tmp_path / "clip.mkv")[0], frames)


def test_same_frames_same_bytes_without_a_version(tmp_path: Path) -> None:
    for name in ("one.avi", "two.avi"):
        write_video(tmp_path / name, moving(30), 25, quantiser=5)
    content = (tmp_path / "one.avi").read_bytes()
    assert content == (tmp_path / "two.avi").read_bytes()
    assert b"Lav" not in content


def test_with_a_quantiser_every_frame_is_coded_alone(tmp_path: Path) -> None:
    for name, shown in (("clip.avi", moving(30)), ("reversed.avi", moving(30)[::-1])):
        write_video(tmp_path / name, shown, 25, quantiser=5)
    frames, types = decoded(tmp_path / "clip.avi")
    assert types == [PictureType.I] * 30
    assert np.abs(frames.astype(int) - moving(30)).mean() < 3
    np.testing.assert_array_equal(decoded(tmp_path / "reversed.avi")[0], frames[::-1])


def test_a_coarser_quantiser_takes_fewer_bytes(tmp_path: Path) -> None:
    for quantiser in (3, 20):
        write_video(tmp_path / f"{quantiser}.avi", noise(5), 25, quantiser=quantiser)
    assert (tmp_path / "20.avi").stat().st_size < 0.6 * (tmp_path / "3.avi").stat().st_size


def test_refuses_no_frames(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "clip.avi", [], 25)

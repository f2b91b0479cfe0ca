from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from tavlad.data.listing import is_video
from tavlad.video import reader
from tavlad.video.decode import decode_clip
from tavlad.video.frames import indices
from tavlad.video.reader import BadVideo, read_clip, read_frames
from tavlad.video.workers import Failure, supervise
from tests.video.painted import film, numbers, picture, retold

CLIPS = Path(__file__).parents[2] / "../shared/clips"
JPEG = {"codec": "mjpeg", "pixels": "yuvj420p"}


@pytest.mark.parametrize("suffix", ["avi", "mkv"])  # the header counts frames in one and not in the other
@pytest.mark.parametrize("count", [1, 2, 5, 24, 25, 26, 100])
def test_exactly_the_sampled_frames(tmp_path, count, suffix):
    path = film(tmp_path / f"film.{suffix}", [picture(number) for number in range(count)])
    wanted = indices(count, 25).tolist()
    assert numbers(read_frames(path, 25)) == wanted
    clip = read_clip(path, 25, 32)
    assert numbers(clip.frames) == clip.indices == wanted
    assert (clip.decoded_count, clip.header_count) == (count, count if suffix == "avi" else 0)


@pytest.fixture
def passes(monkeypatch):
    """The files that were decoded, each pass through one."""
    made, opened = [], reader.opened_video
    monkeypatch.setattr(reader, "opened_video", lambda path: made.append(path) or opened(path))
    return made


@pytest.mark.parametrize("lie", [-2, -1, 0, 1, 2, 40])
@pytest.mark.parametrize("count", [61, 113, 400])
def test_a_header_that_counts_one_frame_too_many_costs_no_second_pass(tmp_path, passes, count, lie):
    path = retold(film(tmp_path / "film.avi", [picture(number) for number in range(count)]), count + lie)
    for T in (5, 25, 60):
        clip = read_clip(path, T, 48)
        assert numbers(clip.frames) == clip.indices == indices(count, T).tolist()
        assert (clip.header_count, clip.decoded_count) == (count + lie, count)
        assert clip.pts == pytest.approx([index / 25 for index in clip.indices])
    assert (len(passes) == 3) == (lie in (0, 1))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_films_whose_header_counts_one_frame_too_many(tmp_path, passes, count):
    path = retold(film(tmp_path / "film.avi", [picture(number) for number in range(count)]), count + 1)
    assert numbers(read_frames(path, 7)) == indices(count, 7).tolist() and len(passes) == 1


@pytest.mark.parametrize(("room", "expected"), [(0, 2), (50_000, 2), (400_000, 1)])  # a frame takes 18 kB
def test_a_header_may_cost_a_second_pass_but_not_much_memory(tmp_path, passes, monkeypatch, room, expected):
    monkeypatch.setattr(reader, "SPARE", room)
    path = retold(film(tmp_path / "film.avi", [picture(number) for number in range(90)]), 91)
    assert numbers(read_frames(path, 25)) == indices(90, 25).tolist() and len(passes) == expected


def test_the_shape_of_a_frame_held_for_another_count_does_not_matter(tmp_path):
    odd = min(set(indices(59, 25).tolist()) - set(indices(60, 25).tolist()))
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 72, "yuvj420p"
        for number in range(60):
            still = film(tmp_path / "still.mjpeg", [picture(number, (72, 48) if number == odd else (48, 72))], **JPEG)
            packet = av.Packet(still.read_bytes())
            packet.stream, packet.is_keyframe, packet.time_base = stream, True, Fraction(1, 25)
            packet.pts = packet.dts = number
            container.mux(packet)
    assert numbers(read_frames(path, 25)) == indices(60, 25).tolist()
    with pytest.raises(BadVideo, match="frame size changes midway"):
        read_frames(retold(path, 59), 60)


def test_lossless_at_the_original_size(tmp_path):
    painted = np.random.default_rng(0).integers(0, 256, (6, 33, 47, 3), np.uint8)
    frames = read_frames(film(tmp_path / "film.mkv", painted), 6)
    assert frames.dtype == np.uint8 and np.array_equal(frames, painted)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (48, 72, (32, 48)),
        (72, 48, (48, 32)),
        (47, 63, (32, 43)),
        (24, 24, (32, 32)),
        (16, 161, (32, 322)),
        (1, 1, (32, 32)),
    ],
)
def test_short_side_is_scaled_and_long_side_rounded(tmp_path, height, width, expected):
    path = film(tmp_path / "film.mkv", [np.full((height, width, 3), 90, np.uint8)] * 3)
    clip = read_clip(path, 3, 32)
    assert clip.frames.shape == (3, *expected, 3)
    assert (clip.frames == 90).all() and (clip.width, clip.height) == (width, height)


def test_halving_averages_over_areas(tmp_path):
    painted = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3), np.uint8)
    scaled = read_clip(film(tmp_path / "film.mkv", painted), 1, 32).frames
    means = painted.reshape(1, 32, 2, 48, 2, 3).mean((2, 4))
    # The scaler goes through YUV with colour at half width, hence not equal: brightness is.
    assert np.abs(scaled.mean(-1) - means.mean(-1)).mean() < 8


TURNS = {
    (0, False): lambda x: x,
    (90, False): lambda x: np.rot90(x, 1),
    (180, False): lambda x: np.rot90(x, 2),
    (270, False): lambda x: np.rot90(x, 3),
    (0, True): lambda x: x[:, ::-1],
    (180, True): lambda x: np.rot90(x[:, ::-1], 2),
}


@pytest.mark.skipif(not hasattr(VideoStream, "set_display_rotation"), reason="this PyAV writes no display matrix")
@pytest.mark.parametrize(("degrees", "mirrored"), TURNS)
def test_display_matrix_is_obeyed(tmp_path, degrees, mirrored):
    seen = np.random.default_rng(2).integers(0, 256, (24, 36, 3), np.uint8)
    path = tmp_path / "film.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 24, 36, "rgb24"
        stream.set_display_rotation(degrees, hflip=mirrored)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(seen, "rgb24")))
        container.mux(stream.encode())
    frames = read_frames(path, 2)
    assert np.array_equal(frames, [TURNS[degrees, mirrored](seen)] * 2)


def test_phones_held_any_way_are_upright():
    if not CLIPS.exists():
        pytest.skip("the real clips (../shared/clips) are not here")
    clips = {angle: read_clip(CLIPS / f"odd/decord_video_rot{angle}.mov", 3, 256) for angle in (0, 90, 180, 270)}
    assert {angle: clip.frames.shape[1:3] for angle, clip in clips.items()} == {
        0: (256, 454),
        90: (454, 256),
        180: (256, 454),
        270: (454, 256),
    }
    assert {angle: clip.rotation % 360 for angle, clip in clips.items()} == {0: 0, 90: 270, 180: 180, 270: 90}


def real_clips() -> list[Path]:
    return sorted(path for path in CLIPS.rglob("*") if is_video(path.name) and "corrupted" not in path.name)


@pytest.mark.whole
def test_every_real_clip_decodes_to_its_count():
    if not CLIPS.exists():
        pytest.skip("the real clips (../shared/clips) are not here")
    for path in real_clips():
        with av.open(str(path), metadata_errors="replace") as container:
            count = sum(1 for packet in container.demux(video=0) for _ in packet.decode())
        clip = read_clip(path, 2, 32)
        assert clip.decoded_count == count, path
        assert count >= 0.95 * clip.header_count, path
        assert clip.corrupt == 0, path


def test_corrupted_real_clip_is_bad():
    path = CLIPS / "odd/decord_corrupted.mp4"
    if not path.exists():
        pytest.skip("the real clips (../shared/clips) are not here")
    with pytest.raises(BadVideo, match=r"decoding fails after 28 frames \(Invalid data"):
        read_frames(path, 25)


@pytest.mark.whole
def test_memory_does_not_grow_with_length(tmp_path):
    """The 600 decoded frames are 276 MB: a worker that may take 100 MB can do it only by letting go of them."""
    still = [np.full((480, 640, 3), 40, np.uint8)] * 600
    path = film(tmp_path / "film.mkv", still, "mpeg4", "yuv420p", {"g": "600"})
    job = (str(path), str(tmp_path / "film.h5"), "film", 10, 32, 95, "")
    assert list(supervise(decode_clip, [job], 1, 60, 100)) == [(job, None)]
    job = (str(path), str(tmp_path / "all.h5"), "film", 600, 32, 95, "")
    assert list(supervise(decode_clip, [job], 1, 60, 100)) == [(job, Failure("needed more than 100 MB"))]

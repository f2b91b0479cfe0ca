"""Which frames a segment samples, read off painted films; what all segments of a file cost, and what fails alone."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tavlad.video import cutting
from tavlad.video.cutting import read_segments
from tavlad.video.decode import decode_file
from tavlad.video.frames import DecodedClip, indices, read_frame_facts, read_frames_file
from tavlad.video.opening import BadVideo
from tavlad.video.reader import read_clip
from tavlad.video.timing import Span, packet_moments
from tests.video.painted import SIZE, film, numbers, picture
from tests.video.test_reader_streams import joined, trimmed

PICTURES = [picture(number) for number in range(100)]
T = 4


def cut(path: Path, *spans: tuple[int, int], count: int = T) -> tuple[list[DecodedClip | str], int]:
    """The segments of a film, or why they fail, and the number of its frames."""
    clips: dict[int, DecodedClip] = {}
    decoded, failed = read_segments(path, [Span(*one) for one in spans], count, SIZE[0], clips.__setitem__)
    assert not clips.keys() & failed.keys()
    return [clips[number] if number in clips else failed[number] for number in range(len(spans))], decoded


def sampled(times: Sequence[float], span: tuple[int, int], count: int = T) -> list[int]:
    """Which frames should be taken of a film whose frames come at `times` (ms)."""
    inside = [number for number, time in enumerate(times) if span[0] <= round(time) < span[1]]
    return [inside[index] for index in indices(len(inside), count)]


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("avi", "ffv1", {}),
        ("avi", "mpeg4", {"bf": "2"}),  # frames come out of order
        ("mp4", "libx264", {}),
        ("mov", "libx264", {"bf": "0"}),
        ("mkv", "libx264", {}),
        ("ts", "libx264", {}),  # which does not begin at 0
        ("h264", "libx264", {}),  # without any times
    ],
)
def test_the_frames_are_those_that_come_from_the_start_on_and_before_the_end(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    path = film(tmp_path / f"film.{suffix}", PICTURES, codec, "bgr0" if codec == "ffv1" else "yuv420p", options)
    spans = (0, 1000), (1000, 2000), (1960, 4000), (390, 441), (400, 401), (0, 4000), (3000, 4900)
    clips, decoded = cut(path, *spans)
    assert decoded == 100
    for span, clip in zip(spans, clips, strict=True):
        assert isinstance(clip, DecodedClip), clip
        assert numbers(clip.frames) == clip.indices == sampled([40 * number for number in range(100)], span)
    assert [(clip.begin, clip.end) for clip in clips[:3] if isinstance(clip, DecodedClip)] == [
        *((0, 25), (25, 50), (49, 100))
    ]


def odd_times(seed: int = 0) -> list[int]:
    """When 100 frames come (ms), at any rate between 5 and 100 a second."""
    steps = np.random.default_rng(seed).choice([10, 20, 33, 40, 80, 200], 99)
    return [0, *np.cumsum(steps).tolist()]


@pytest.mark.parametrize(("suffix", "codec", "pixels"), [("mkv", "ffv1", "bgr0"), ("mp4", "libx264", "yuv420p")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_variable_rate_moves_no_frame_to_another_segment(
    tmp_path: Path, passes: list[str], seed: int, suffix: str, codec: str, pixels: str
) -> None:
    times = odd_times(seed)
    path = film(tmp_path / f"film.{suffix}", PICTURES, codec, pixels, times=times)
    edges = [*range(0, times[-1], 700), times[-1] + 1]
    spans = [(start, end) for start, end in pairwise(edges) if end - start > 200]
    clips, decoded = cut(path, *spans)
    assert decoded == 100 and passes == [str(path)]
    for span, clip in zip(spans, clips, strict=True):
        assert isinstance(clip, DecodedClip), clip
        # timestamps as coarse as milliseconds are moved to the video's rate, by less than one
        assert numbers(clip.frames) == clip.indices == sampled(times, span)


def test_at_a_rate_of_30_a_time_in_milliseconds_is_that_of_its_frame(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for pixels in PICTURES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")))
        container.mux(stream.encode())
    for first, start, end in ((2, 67, 100), (1, 33, 67), (4, 133, 167)):
        (clip,), _ = cut(tmp_path / "film.mp4", (start, end), count=1)
        assert isinstance(clip, DecodedClip) and numbers(clip.frames) == [first] and clip.end == first + 1


def test_an_edit_list_moves_the_beginning(tmp_path: Path) -> None:
    clips, decoded = cut(trimmed(tmp_path / "film.mp4", 30, 40), (0, 400), (400, 1600))
    assert decoded == 40
    assert [numbers(clip.frames) for clip in clips if isinstance(clip, DecodedClip)] == [
        [30 + index for index in indices(10, T)],
        [40 + index for index in indices(30, T)],
    ]


def test_the_pixels_and_the_facts_are_those_of_the_whole_clip(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", PICTURES, "libx264", "yuv420p")
    (clip,), decoded = cut(path, (0, 4000), count=7)
    whole = read_clip(path, 7, SIZE[0])
    assert isinstance(clip, DecodedClip)
    assert np.array_equal(clip.frames, whole.frames)
    assert {**clip.facts(), "decoded_count": decoded} == whole.facts()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were opened to decode them, once for each time."""
    opened: list[str] = []
    before = cutting.opened_video

    def counted(path: str) -> object:
        opened.append(str(path))
        return before(path)

    monkeypatch.setattr(cutting, "opened_video", counted)
    return opened


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[str]]:
    """A function that makes the files of segments as a worker does."""

    def make(path: Path, *spans: tuple[int, int]) -> list[str]:
        wanted = [[f"{one[0]}", one, str(tmp_path / f"{one[0]}.h5"), "recipe"] for one in spans]
        return decode_file(str(path), wanted, T, SIZE[0], 95)

    return make


def test_ten_segments_are_one_pass(tmp_path: Path, passes: list[str], write: Callable[..., list[str]]) -> None:
    path = film(tmp_path / "film.mp4", PICTURES, "libx264", "yuv420p")
    spans = [(400 * number, 400 * number + 400) for number in range(10)]
    assert write(path, *spans) == [""] * 10
    assert passes == [str(path)]
    for start, _ in spans:
        file = tmp_path / f"{start}.h5"
        assert numbers(read_frames_file(file)) == [start // 40 + index for index in indices(10, T)]
        assert read_frame_facts(file)["decoded_count"] == 100


def test_what_segments_are_made_together_changes_no_byte(tmp_path: Path, write: Callable[..., list[str]]) -> None:
    path = film(tmp_path / "film.mkv", PICTURES, "ffv1", "bgr0", times=odd_times())
    spans = (0, 900), (500, 2000), (1999, 3000)
    write(path, *spans)
    together = [(tmp_path / f"{one[0]}.h5").read_bytes() for one in spans]
    for one in spans:
        (tmp_path / f"{one[0]}.h5").unlink()
        write(path, one)
    assert [(tmp_path / f"{one[0]}.h5").read_bytes() for one in spans] == together


def test_packets_that_mislead_cost_a_second_pass_and_no_frame(
    tmp_path: Path, passes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "film.avi", PICTURES)
    moments, end = packet_moments(path)
    monkeypatch.setattr(cutting, "packet_moments", lambda path: (moments[::2], end))
    (clip, late), decoded = cut(path, (0, 1000), (9000, 9900))
    assert isinstance(clip, DecodedClip) and numbers(clip.frames) == [index for index in indices(25, T)]
    assert late == "9 to 9.9 s is beyond the end of the video, at 4 s"
    assert decoded == 100 and len(passes) == 2


def test_a_segment_fails_alone(tmp_path: Path, write: Callable[..., list[str]]) -> None:
    path = film(tmp_path / "film.avi", PICTURES)
    reasons = write(path, (0, 400), (410, 430), (2000, 5500), (4000, 4500), (3000, 4900))
    assert reasons == [
        "",
        "no frame is displayed between 0.41 and 0.43 s",
        "2 to 5.5 s is beyond the end of the video, at 4 s",
        "4 to 4.5 s is beyond the end of the video, at 4 s",
        "",  # people round up
    ]
    assert [(tmp_path / f"{start}.h5").exists() for start in (0, 410, 2000, 4000, 3000)] == [True, *[False] * 3, True]


def test_damage_counts_up_to_the_end_of_a_segment(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", PICTURES, "libx264", "yuv420p", {"g": "25", "bf": "0", "preset": "ultrafast"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for position, size in packets[60:65]:
        data[position + size // 2 : position + size] = bytes(size - size // 2)
    path.write_bytes(data)
    (before, after), decoded = cut(path, (1000, 2000), (2800, 3600))
    assert isinstance(before, DecodedClip) and isinstance(after, DecodedClip) and decoded > 90
    assert before.concealed + before.corrupt == 0 < after.concealed + after.corrupt


def test_a_picture_that_changes_its_shape_fails_the_segments_that_see_it(tmp_path: Path) -> None:
    clips, decoded = cut(joined(tmp_path / "film.mjpeg", (48, 72), (72, 48)), (0, 200), (80, 280), (200, 400))
    assert decoded == 10 and clips[1] == "the frame size changes midway, to 48x72"
    assert [clip.frames.shape for clip in (clips[0], clips[2]) if isinstance(clip, DecodedClip)] == [
        (T, 48, 72, 3),
        (T, 72, 48, 3),
    ]


def test_what_is_no_video_is_said_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(BadVideo, match="cannot be opened"):
        cut(tmp_path / "text.mp4", (0, 1000))

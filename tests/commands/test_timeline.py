"""`tavlad timeline`: windows are what predict says of the cut, segments are those that were put together."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from tavlad.cli import main
from tavlad.demo.generator import draw_demo
from tavlad.learning import timeline
from tavlad.learning.prediction import load_scorer, predict_all
from tavlad.video.frames import from_jpeg, indices, to_jpeg
from tavlad.video.opening import BadVideo
from tavlad.video.parts import decode_part
from tavlad.video.reader import read_clip
from tavlad.video.stream import stream_frames
from tavlad.video.writer import write_video
from tests.commands.made import CLASSES, make_clip, make_model
from tests.timelines import fit_classifier, join, read_spans, segment_f1
from tests.video import hazards

pytestmark = pytest.mark.whole  # kills processes, or decodes minutes of video

CPU = torch.device("cpu")


def run(video: Path, model: Path, output: Path, *more: object) -> Result:
    words = ["timeline", str(video), "--model", str(model), "-o", str(output), "--device", "cpu", *map(str, more)]
    return CliRunner().invoke(main, words)


def noise(length: int) -> np.ndarray:
    """Frames uint8 (length, 80, 96, 3) of squares, each of its own colours."""
    small = np.random.default_rng(1).integers(0, 256, (length, 10, 12, 3), dtype=np.uint8)
    return small.repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize("attention", ["joint", "decoupled"])
@pytest.mark.parametrize(("seconds", "stride"), [(1.2, 0.4), (1.0, 0.3), (0.04, 0.04)])
def test_a_window_is_what_predict_says_of_the_cut(
    tmp_path: Path, attention: str, seconds: float, stride: float
) -> None:
    scorer = load_scorer(make_model(tmp_path / "model", attention=attention), CPU)
    frames = noise(70)
    write_video(tmp_path / "long.mkv", frames, 25, "ffv1", "bgr0")
    stretches = list(timeline.look(str(tmp_path / "long.mkv"), scorer, seconds, stride))
    grid, windows = stretches[0].grid, [window for stretch in stretches for window in stretch.windows]
    assert [window.number for window in windows] == list(range(len(windows)))
    assert len(windows) == (Fraction(70, 25) - grid.window) // grid.stride + 1
    for window in windows[:: max(1, len(windows) // 4)]:
        first = -int(-window.number * grid.stride * 25 // 1)
        cut = tmp_path / f"{window.number}.mkv"
        write_video(cut, frames[first : first + int(grid.window * 25)], 25, "ffv1", "bgr0")
        (said,) = predict_all([str(cut)], scorer, jobs=1)
        expected = dict(zip(said.classes, said.probabilities, strict=True))
        np.testing.assert_allclose(window.probabilities, [expected[name] for name in CLASSES], atol=1e-3)


def test_the_maps_of_a_frame_are_made_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray] = []
    maps_of_frames = timeline.maps_of_frames

    def counted(network: object, frames: np.ndarray, *others: object) -> object:
        given.extend(frames)
        return maps_of_frames(network, frames, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(timeline, "maps_of_frames", counted)
    write_video(tmp_path / "long.mkv", noise(100), 25, "ffv1", "bgr0")
    stretches = list(timeline.look(str(tmp_path / "long.mkv"), load_scorer(model, CPU), 1.2, 0.4))
    assert sum(len(stretch.windows) for stretch in stretches) == 8
    assert len(given) == len({frame.tobytes() for frame in given}) == 10  # of 24 that the windows take
    assert [stretch.until for stretch in stretches] == sorted(stretch.until for stretch in stretches)


def test_the_segments_of_demo_clips_are_found(tmp_path: Path) -> None:
    clips = [clip for clip in draw_demo(seed=1, groups=1, clips=8) if not clip.backwards]
    classes = tuple(dict.fromkeys(clip.id.split("/")[0] for clip in clips))
    model = make_model(tmp_path / "model", classes=classes, temporal="sum")
    held_out = [clip for clip in clips if clip.id.endswith(("c01", "c02"))]
    inputs, labels = [], []
    for clip in [clip for clip in clips if not clip.id.endswith(("c01", "c02"))]:
        clip.write(tmp_path)
        frames = np.stack(list(stream_frames(tmp_path / f"{clip.id}.avi", 80)))
        for start in range(0, len(frames) - 29, 10):  # windows of 1.2 s
            inputs.append(from_jpeg(to_jpeg(frames[start + indices(30, 3)], 95)))
            labels.append(clip.label // 2)
    fit_classifier(model, inputs, labels)
    true = join(tmp_path / "long.mkv", held_out[::2] + held_out[1::2])
    outcome = run(tmp_path / "long.mkv", model, tmp_path / "out.csv", "--window", 1.2, "--stride", 0.4)
    assert outcome.exit_code == 0, outcome.output
    found = read_spans(tmp_path / "out.csv")
    score = segment_f1(found, true, 0.5)
    print(f"segment F1 at overlap 0.5: {score:.2f} ({len(found)} found, {len(true)} true)")
    assert score > 0.8
    assert all(one[1] <= other[0] for one, other in pairwise(found)) and found[-1][1] <= true[-1][1]
    assert f"{len(found)} segments in {tmp_path}/out.csv, {tmp_path}/out.png" in outcome.stdout
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.width > 1500 and picture.height > 200
    run(tmp_path / "long.mkv", model, tmp_path / "strict.csv", "--window", 1.2, "--threshold", 1)
    assert read_spans(tmp_path / "strict.csv") == [] and (tmp_path / "strict.png").exists()


def test_what_was_rounded_is_said(clip: Path, model: Path, tmp_path: Path) -> None:
    said = "windows of 0.4 s every 0.1333 s (rounded; asked for: windows of 0.41 s every 0.1 s); of each 3 frames"
    assert said in run(clip, model, tmp_path / "a.csv", "--window", 0.41, "--stride", 0.1).stderr
    assert "rounded" not in run(clip, model, tmp_path / "b.csv", "--window", 0.4, "--stride", 0.4).stderr


def test_a_video_that_breaks_off_is_named_and_what_is_before_stays(model: Path, tmp_path: Path) -> None:
    video = tmp_path / "long.mp4"
    make_clip(video, length=300)
    whole = tmp_path / "whole.csv"
    assert run(video, model, whole, "--window", 1, "--threshold", 0).exit_code == 0
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 2 // 3])
    outcome = run(video, model, tmp_path / "out.csv", "--window", 1, "--threshold", 0)
    assert outcome.exit_code == 1 and f"  {video}: " in outcome.stderr
    assert "What is before 0:1" in outcome.stderr and (tmp_path / "out.png").exists()
    found, expected = read_spans(tmp_path / "out.csv"), read_spans(whole)
    assert found[-1][1] > 10 and found[:-1] == expected[: len(found) - 1]


def test_a_decoder_that_crashes_ends_itself_alone(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "decode_part", hazards.crash_in_part_two)
    video = make_clip(tmp_path / "long.mp4", length=120)
    outcome = run(video, model, tmp_path / "out.csv", "--window", 1, "--threshold", 0)
    assert outcome.exit_code == 1 and f"  {video}: the decoder crashed (signal 11)" in outcome.stderr
    assert read_spans(tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text.avi", "text.avi: cannot be opened as a video"),
        ("missing.avi", "missing.avi: the file is missing"),
        ("clip.mp4", "clip.mp4: 0.6 s can be read, less than a window of 4 s (--window)"),
    ],
)
def test_what_has_no_window_is_named_and_leaves_nothing(
    clip: Path, model: Path, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "text.avi").write_text("no film")
    outcome = run(tmp_path / name, model, tmp_path / "out.csv")
    assert outcome.exit_code == 1 and said in outcome.stderr
    assert not (tmp_path / "out.csv").exists() and not (tmp_path / "out.png").exists()


def test_nothing_is_overwritten_and_no_moment_left_out(clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("mine")
    outcome = run(clip, model, tmp_path / "out.csv", "--window", 0.4)
    assert outcome.exit_code == 1 and "out.png exists" in outcome.stderr and not (tmp_path / "out.csv").exists()
    assert run(clip, model, tmp_path / "out.txt").exit_code == 2
    outcome = run(clip, model, tmp_path / "new.csv", "--window", 0.4, "--stride", 0.5)
    assert outcome.exit_code == 2 and "would leave gaps" in outcome.stderr


def test_a_part_is_not_decoded_in_another_process_than_those_before(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="has ended"):
        decode_part(f"{clip}", str(tmp_path / "1.jpegs"), 1, 0.4, 0.4, (3, 80, 95))


def test_the_frames_of_a_part_are_those_of_the_reader(clip: Path, tmp_path: Path) -> None:
    part = decode_part(str(clip), str(tmp_path / "0.jpegs"), 0, 0.6, 0.6, (3, 80, 95))
    packed = (tmp_path / "0.jpegs").read_bytes()
    ends = np.cumsum(part["lengths"])
    jpegs = [packed[end - length : end] for end, length in zip(ends, part["lengths"], strict=True)]
    assert jpegs == to_jpeg(read_clip(clip, 3, 80).frames, 95) and indices(9, 3).tolist() == [1, 4, 7]
    assert decode_part(str(clip), str(tmp_path / "1.jpegs"), 1, 0.6, 0.6, (3, 80, 95))["ended"]
    assert decode_part(str(clip), str(tmp_path / "2.jpegs"), 2, 0.6, 0.6, (3, 80, 95))["lengths"] == []

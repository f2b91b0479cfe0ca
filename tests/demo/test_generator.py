"""The demo data set with three groups: correct lists and counts, time-reversed partners, reproducible bytes."""

import csv
import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from tavlad.data.listing import Problem
from tavlad.data.reversal import brought_pairs
from tavlad.demo import generator
from tavlad.demo.scene import LENGTHS
from tavlad.video.frames import indices

WRITE = """
import sys
from pathlib import Path
from tavlad.demo import generator
root, clips = Path(sys.argv[1]), list(generator.draw_demo(5, 3, 1))
for clip in clips[: int(sys.argv[2])]:
    clip.write(root)
generator.write_lists(root, clips)
generator.write_boxes(root, clips)
"""


def generated(root: Path, count: int, hash_seed: str) -> Path:
    command: list[str | Path] = [sys.executable, "-c", WRITE, root, str(count)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated(tmp_path_factory.mktemp("demo"), 24, "0")


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def decode(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def test_same_seed_same_bytes_in_another_process(root: Path, tmp_path: Path) -> None:
    again = digests(generated(tmp_path, 5, "4711"))
    assert len(again) == 5 + 8 + 1
    assert again.items() <= digests(root).items()


def test_lists_hold_out_each_group_once_and_label_clips_correctly(root: Path) -> None:
    numbers = dict(line.split()[::-1] for line in (root / "classInd.txt").read_text().splitlines())
    assert len(numbers) == 8 and sorted(map(int, numbers.values())) == list(range(1, 9))
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.avi")}
    assert len(files) == 24
    tested: Counter[str] = Counter()
    for split in (1, 2, 3):
        train = [line.split() for line in (root / f"trainlist0{split}.txt").read_text().splitlines()]
        test = (root / f"testlist0{split}.txt").read_text().splitlines()
        assert {name for name, _ in train} | set(test) == files and len(train) + len(test) == 24
        assert all(numbers[name.split("/")[0]] == label for name, label in train)
        groups = {part: {name.split("_")[2] for name in names} for part, names in {"a": test, "b": dict(train)}.items()}
        assert not groups["a"] & groups["b"]
        tested.update(test)
    assert tested == Counter(files)
    assert all(name.split("/")[1].startswith(f"v_{name.split('/')[0]}_g") for name in files)


def test_the_pairs_cover_all_classes_as_index_reads_them(root: Path) -> None:
    problems: list[Problem] = []
    assert brought_pairs(root, generator.CLASSES, problems) == list(generator.PAIRS) and not problems


def test_nine_groups_give_three_test_groups_a_split(tmp_path: Path) -> None:
    generator.write_lists(tmp_path, list(generator.draw_demo(0, 9, 1)))
    parts = [(tmp_path / f"testlist0{split}.txt").read_text().splitlines() for split in (1, 2, 3)]
    assert [len({line.split("_")[2] for line in lines}) for lines in parts] == [3, 3, 3]


def test_clips_have_the_documented_size_and_matching_boxes(root: Path) -> None:
    with open(root / "boxes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    boxes = Counter(row["clip"] for row in rows)
    for row in rows:
        assert 0 <= int(row["x0"]) < int(row["x1"]) <= 320 and 0 <= int(row["y0"]) < int(row["y1"]) <= 240
    paths = sorted(root.rglob("*.avi"))
    for path in paths:
        with av.open(path) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, container.format.name) == ("mpeg4", "avi")
            assert (stream.width, stream.height, stream.average_rate) == (320, 240, 25)
            count = sum(1 for _ in container.decode(stream))
            assert count == stream.frames == boxes[path.relative_to(root).with_suffix("").as_posix()]
            assert count in LENGTHS
    assert sum(path.stat().st_size for path in paths) / len(paths) < 24e6 / 144


def test_decoded_clips_show_their_scene_and_second_partners_show_it_backwards(root: Path) -> None:
    clips = {clip.id: clip for clip in generator.draw_demo(5, 3, 1)}
    for name, first_is_green in (("Ripen", True), ("Wither", False)):
        clip = clips[f"{name}/v_{name}_g01_c01"]
        frames, drawn = decode(root / f"{clip.id}.avi"), list(clip.scene.frames(backwards=False))
        assert psnr(frames, np.stack(drawn[:: 1 if first_is_green else -1])) > 26
        for time in (0, -1):
            x0, y0, x1, y1 = clip.scene.boxes(clip.backwards)[time]
            x, y = (x0 + x1) // 2, (y0 + y1) // 2
            red, green, _ = frames[time, y - 5 : y + 5, x - 5 : x + 5].reshape(-1, 3).mean(axis=0)
            assert (green > red) == (first_is_green == (time == 0))


def test_a_clip_does_not_depend_on_the_number_of_clips() -> None:
    few, many = list(generator.draw_demo(0, 3, 1)), {clip.id: clip for clip in generator.draw_demo(0, 4, 2)}
    for clip in few:
        assert clip.scene.boxes(False) == many[clip.id].scene.boxes(False)
        np.testing.assert_array_equal(clip.scene.frame(9), many[clip.id].scene.frame(9))
    lengths = {clip.id: clip.scene.boxes(False) for clip in few}
    assert len({str(boxes) for boxes in lengths.values()}) == len(few) // 2  # partners share a scene


@pytest.mark.parametrize("frames", [4, 6, 25])
def test_a_partner_shows_the_same_frames_in_reverse(root: Path, frames: int) -> None:
    """After decoding and sampling, bit for bit, so that a sum over time cannot tell them apart."""
    for first, second in generator.PAIRS:
        for group in (1, 2, 3):
            one, other = (decode(root / f"{name}/v_{name}_g{group:02}_c01.avi") for name in (first, second))
            np.testing.assert_array_equal(one[indices(len(one), frames)], other[indices(len(other), frames)][::-1])
            assert psnr(one, one[::-1]) < 40  # the two directions do differ

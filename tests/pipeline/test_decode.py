"""The stage as a person meets it: run as a process in a folder of its own."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from tavlad.data.table import Clip, clip_id, write_clips
from tavlad.store.recipes import file_digest
from tavlad.video.frames import read_frame_facts, read_frames_file, read_frames_recipe
from tests.stages import LOCAL, own_code

ROOT = Path(__file__).parents[2]
NAMES = ["open/a #1 & b;! [x].avi", "open/été.v2.avi", "close/plain.avi"]
PARAMETERS = {
    "frames": 4,
    "short_side": 24,
    "workers": 2,
    "jpeg_quality": 95,
    "min_frames": 5,
    "tolerance": 0.1,
    "damage": 1,
    "deadline": 60,
    "memory": 500,
}


DATASET = (
    "dataset: {root: raw, layout: folders, classes: [], limit: 0, groups: '', validation: 0.0, reversed: false, "
    "exclude: []}"
)


def film(path: Path, frames: int, bright: int) -> None:
    """A small MPEG-4 film in AVI whose brightness rises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        stream.codec_context.thread_count = 1  # the number of threads changes the bytes, and with them what a cut does
        for index in range(frames):
            pixels = np.full((36, 48, 3), bright + 4 * index % 200, np.uint8)
            pixels[4:8, 4:8] = 255 * (index % 2)  # enough to make every frame more than a few bytes
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())


def index(folder: Path, missing: tuple[str, ...] = ()) -> list[str]:
    """Write clips.csv over all files below raw/; their ids."""
    paths = [str(path.relative_to(folder / "raw")) for path in (folder / "raw").rglob("*.avi")]
    clips = [Clip(clip_id(path), path, "label", "", file_digest(folder / "raw" / path), "present") for path in paths]
    clips += [Clip(clip_id(path), path, "label", "", "", "missing") for path in missing]
    write_clips(folder / "clips.csv", clips)
    return sorted(clip.id for clip in clips)


def configure(folder: Path, **changes: float) -> None:
    values = {**PARAMETERS, **changes}
    top = ("frames", "short_side", "workers")
    lines = [DATASET, *(f"{name}: {values.pop(name)}" for name in top), "decode:"]
    lines += [f"  {name}: {value}" for name, value in values.items()]
    (folder / "params.yaml").write_text(LOCAL + "\n".join(lines) + "\n")


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAVLAD_STORE": str(folder / "store"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "pipeline.decode", own_code("decode", folder), "clips.csv", "frames"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def run(folder: Path) -> tuple[int, str, str]:
    process = start(folder)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def published(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder / "frames"))[: -len(".h5")] for path in (folder / "frames").rglob("*.h5"))


def count_finished(folder: Path) -> int:
    """The number of entries in the store."""
    return sum(path.is_file() for path in (folder / "store/decode").rglob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        film(tmp_path / "raw" / name, 20 + number, 30 * number)
    configure(tmp_path)
    return tmp_path


def test_frames_facts_and_reuse(folder):
    ids = index(folder)
    status, output, errors = run(folder)
    assert status == 0, errors
    assert output == f"decoded 3 clips (3 new), 4 frames each, {output.split()[-4]} MB a clip\n"
    assert published(folder) == ids == sorted(clip_id(name) for name in NAMES)
    for number, name in enumerate(NAMES):
        path = folder / "frames" / f"{clip_id(name)}.h5"
        facts = read_frame_facts(path)
        assert facts["decoded_count"] == facts["header_count"] == 20 + number
        expected = [30 * number + 4 * index for index in facts["indices"]]
        frames = read_frames_file(path)
        assert frames.shape == (4, 24, 32, 3) and np.abs(frames.mean((1, 2, 3)) - expected).max() < 4
        assert path.stat().st_nlink == 2 and not path.stat().st_mode & 0o222
    before = {clip: (folder / "frames" / f"{clip}.h5").read_bytes() for clip in ids}

    assert "(0 new)" in run(folder)[1]
    assert {clip: (folder / "frames" / f"{clip}.h5").read_bytes() for clip in ids} == before

    configure(folder, workers=1, deadline=50, memory=400, min_frames=4, tolerance=0.2, damage=0.5)
    assert "(0 new)" in run(folder)[1]
    film(folder / "raw/open/new.avi", 10, 0)
    index(folder)
    assert "decoded 4 clips (1 new)" in run(folder)[1]
    recipe = read_frames_recipe(folder / "frames/open/new.h5")
    configure(folder, jpeg_quality=90)
    assert "decoded 4 clips (4 new)" in run(folder)[1]
    assert read_frames_recipe(folder / "frames/open/new.h5") != recipe
    configure(folder)
    assert "decoded 4 clips (0 new)" in run(folder)[1]


def test_same_bytes_whatever_the_workers(folder):
    ids = index(folder)
    read = []
    for workers in (1, 2):
        configure(folder, workers=workers)
        assert "(3 new)" in run(folder)[1]
        read.append([(folder / "frames" / f"{clip}.h5").read_bytes() for clip in ids])
        (folder / "store").rename(folder / f"store of {workers}")
    assert read[0] == read[1]


def test_all_that_is_bad_is_said_at_once_and_the_rest_is_kept(folder):
    raw = folder / "raw"
    film(raw / "open/truncated.avi", 60, 0)
    whole = (raw / "open/truncated.avi").read_bytes()
    (raw / "open/truncated.avi").write_bytes(whole[: (6 * whole.index(b"movi") + 4 * whole.index(b"idx1")) // 10])
    (raw / "open/empty.avi").touch()
    (raw / "open/text.avi").write_text("not a video\n" * 50)
    film(raw / "open/short.avi", 3, 0)
    index(folder, missing=("open/gone.avi",))
    status, output, errors = run(folder)
    assert status == 1 and not output
    lines = {line.split()[0].rstrip(":"): line for line in errors.splitlines() if " open/" in line}
    for name, reason in {
        "truncated": "the header says 60 frames, only ",
        "empty": "the file is empty",
        "text": "cannot be opened as a video (Invalid data found when processing input)",
        "short": "decodes to only 3 frames, fewer than min_frames: 5",
        "gone": "is listed, but the file is missing",
    }.items():
        assert reason in lines.pop(f"open/{name}")
    assert not lines and "5 of 8 clips cannot be used" in errors and "dataset.exclude" in errors

    assert run(folder)[0] == 1  # the limits hold for what lies in the store, too
    configure(folder, min_frames=3, tolerance=1)
    for name in ("empty", "text"):
        (raw / f"open/{name}.avi").unlink()
    index(folder)
    status, output, errors = run(folder)
    assert (status, output.partition(",")[0]) == (0, "decoded 5 clips (0 new)")
    rows = {row["clip"]: row for row in csv.DictReader((folder / "frames/counts.csv").open(encoding="utf-8"))}
    assert sorted(rows) == published(folder)
    assert rows["close/plain"] == {
        "clip": "close/plain",
        "decoded_count": "22",
        "header_count": "22",
        "begin": "0",
        "end": "22",
        "corrupt": "0",
        "concealed": "0",
    }
    damaged = rows["open/truncated"]
    found = int(damaged["corrupt"]) + int(damaged["concealed"])
    assert int(damaged["decoded_count"]) < int(damaged["header_count"]) == 60 and found > 0
    said = f"1 clip with errors that the decoder conceals: open/truncated ({found}): see frames/counts.csv"
    assert said in errors

    configure(folder, min_frames=3, tolerance=1, damage=0)
    status, _, errors = run(folder)
    assert status == 1 and f"the decoder conceals {found} errors" in errors


def kill_midway(folder: Path, clips: int) -> int:
    """Kill a run once it has finished the first of its `clips`; how many it had finished."""
    process = start(folder)
    while process.poll() is None and not count_finished(folder):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, "the run had ended before it could be killed"
    kept = count_finished(folder)
    assert 0 < kept < clips
    return kept


def test_unfinished_work_of_a_killed_run_is_swept_and_finished_work_kept(folder):
    for number in range(60):
        film(folder / f"raw/more/{number}.avi", 20, 0)
    ids = index(folder)
    kept = kill_midway(folder, len(ids))
    status, output, errors = run(folder)
    assert status == 0, errors
    assert f"decoded {len(ids)} clips ({len(ids) - kept} new)" in output
    assert published(folder) == ids
    assert all(read_frames_file(folder / "frames" / f"{clip}.h5").shape == (4, 24, 32, 3) for clip in ids)
    assert [path for path in (folder / "store/tmp").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jpeg_quality": 101}, "decode.jpeg_quality"),
        ({"workers": -1}, "workers"),
        ({"tolerance": 2}, "decode.tolerance"),
        ({"damage": -1}, "decode.damage"),
    ],
)
def test_parameters_out_of_range(folder, changes, message):
    index(folder)
    configure(folder, **changes)
    status, _, errors = run(folder)
    assert status == 1 and message in errors
    assert not (folder / "frames").exists()


def test_workers_import_nothing_heavy():
    code = "import sys, tavlad.video.workers, tavlad.video.decode; print(sorted(set(sys.modules) & {'torch', 'click'}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).stdout == b"[]\n"

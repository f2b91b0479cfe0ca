"""The memory for decoding does not grow with the length of a video: an hour compared with a minute."""

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from tests.commands.made import make_model
from tests.memory import most_held
from tests.video.painted import picture

ROOT = Path(__file__).parents[2]
MINUTE, HOUR = 1_500, 90_000  # frames
BYTES_A_FRAME = 64  # upper bound for a demuxer's packet index
CODE = """
import sys
from tavlad.video.reader import read_clip
from tests.memory import most_held
clip = read_clip(sys.argv[1], 25, 48)
print(clip.decoded_count, most_held())
"""


def long_film(path: Path, frames: int, codec: str) -> Path:
    """A video that repeats the packets of one minute."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": "50", "threads": "1", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        packets = []
        for number in range(MINUTE):
            pixels = picture(number % 512, (48, 64)).copy()
            pixels[36:] = rng.integers(0, 256, pixels[36:].shape)
            packets += stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24"))
        packets += stream.encode(None)
        data = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for number in range(frames):
            packet = av.Packet(data[number % MINUTE][0])
            packet.is_keyframe, packet.stream = data[number % MINUTE][1], stream
            packet.pts = packet.dts = number
            packet.duration, packet.time_base = 1, Fraction(1, 25)
            container.mux(packet)
    return path


def peak(path: Path) -> tuple[int, int]:
    """The number of frames, and the peak resident size in bytes of a process that reads 25 of them."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = subprocess.run([sys.executable, "-c", CODE, path], env=environment, capture_output=True, check=True).stdout
    count, held = map(int, words.split())
    return count, held


@pytest.mark.long
@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "mpeg4"), ("mp4", "mpeg4"), ("mkv", "libx264"), ("ts", "mpeg2video")]
)
def test_an_hour_takes_the_memory_of_a_minute(tmp_path, suffix, codec):
    minute, small = peak(long_film(tmp_path / f"minute.{suffix}", MINUTE, codec))
    hour, large = peak(long_film(tmp_path / f"hour.{suffix}", HOUR, codec))
    print(f"{suffix}: a minute {small / 1e6:.1f} MB, an hour {large / 1e6:.1f} MB")
    assert (minute, hour) == (MINUTE, HOUR)
    assert large - small < 4e6 + BYTES_A_FRAME * (HOUR - MINUTE)


def peaks_of_timeline(video: Path, model: Path, output: Path) -> tuple[int, int]:
    """The peak resident sizes in bytes of decoder and model in `tavlad timeline`."""
    words = ["timeline", video, "--model", model, "-o", output, "--window", "8", "--threshold", "0", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "tavlad.cli", *map(str, words)], env=environment)
    decoder = parent = 0
    while process.poll() is None:
        try:
            children = psutil.Process(process.pid).children()
        except psutil.NoSuchProcess:
            continue
        parent = max(parent, most_held(process.pid))
        decoder = max([decoder, *(most_held(child.pid) for child in children)])
        time.sleep(0.1)
    assert process.returncode == 0
    return decoder, parent


@pytest.mark.long
def test_the_timeline_of_an_hour_takes_the_memory_of_a_minute(tmp_path):
    model = make_model(tmp_path / "model")
    peaks = {}
    for name, frames in (("minute", MINUTE), ("hour", HOUR)):
        film = long_film(tmp_path / f"{name}.mp4", frames, "mpeg4")
        peaks[name] = peaks_of_timeline(film, model, tmp_path / f"{name}.csv")
    told = {name: [round(size / 1e6, 1) for size in sizes] for name, sizes in peaks.items()}
    print(f"decoder and model, MB: {told}")
    assert float((tmp_path / "hour.csv").read_text().splitlines()[-1].split(",")[1]) > 3598
    for small, large in zip(peaks["minute"], peaks["hour"], strict=True):
        assert large - small < 12e6 + BYTES_A_FRAME * (HOUR - MINUTE)

"""The reference for what a file decodes to: a plain PyAV loop, with each file in its own process with limits.

`python -m tests.faults.pyav_reference SECONDS MEGABYTES` reads names from stdin and answers each with a line of JSON.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av


def ask(paths: Iterable[Path], seconds: float, megabytes: int) -> list[dict[str, Any]]:
    """For each file `{"films": [...]}`: for each video stream `{"header", "count", "means", "error"}`."""
    command = [sys.executable, "-m", __name__, str(seconds), str(megabytes)]
    names = "".join(f"{json.dumps(str(path))}\n" for path in paths)
    answers = subprocess.run(command, input=names, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in answers.splitlines()]


def films(path: str) -> dict[str, Any]:
    """Decode every video stream of the file at `path`."""
    try:
        with av.open(path, metadata_errors="replace") as container:
            number = len(container.streams.video)
    except (av.FFmpegError, UnicodeError) as error:
        return {"films": [], "error": str(error)}
    return {"films": [_film(path, which) for which in range(number)]}


def _film(path: str, which: int) -> dict[str, Any]:
    found: dict[str, Any] = {"header": 0, "count": 0, "means": [], "error": None}
    try:
        with av.open(path, metadata_errors="replace") as container:
            stream = container.streams.video[which]
            found["header"] = max(stream.frames, 0)
            if "mp4" in container.format.name.split(",") and stream.duration and stream.average_rate:
                seconds = stream.duration * stream.time_base  # of the visible part: an edit list may hide frames
                found["header"] = min(found["header"], round(seconds * stream.average_rate))
            stream.codec_context.thread_count = 1  # with several threads, errors are concealed differently
            for packet in container.demux(stream):
                for frame in packet.decode():
                    found["count"] += 1
                    found["means"].append(_mean(frame))
    except (av.FFmpegError, AttributeError) as error:  # AttributeError: a stream without a codec
        found["error"] = str(error)
    return found


def _mean(frame: av.VideoFrame) -> float | None:
    """The mean brightness of a frame, 0 to 255, in any orientation; None if it is unknown."""
    try:
        return round(float(frame.to_ndarray(format="rgb24").mean()), 1)
    except (av.FFmpegError, ValueError, MemoryError):
        return None


def _limited(path: str, seconds: float, megabytes: int) -> str:
    """The answer for one file, from a process that the kernel kills when it takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 10**6, megabytes * 10**6))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with os.fdopen(writing, "w") as pipe:
            pipe.write(json.dumps(films(path)))
            pipe.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return answer if status == 0 else json.dumps({"films": [], "error": f"ended with status {status}"})


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    for line in sys.stdin:
        print(_limited(json.loads(line), float(sys.argv[1]), int(sys.argv[2])), flush=True)

"""Tasks for worker processes to run into; a module of its own, since workers import their task by name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from tavlad.video.decode import decode_clip, decode_file
from tavlad.video.parts import decode_part
from tavlad.video.workers import renew_deadline


def misbehave(kind: str, value: int) -> int:
    """`value` squared, unless `kind` names a misfortune."""
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        time.sleep(600)
    elif kind == "eat":
        [np.empty(1 << 24) for _ in range(value)]  # 134 MB each, which need not be touched to count
    elif kind == "leave":
        os._exit(7)
    elif kind == "raise":
        raise KeyError(value)
    elif kind == "print":
        os.write(1, b'{"result": "a library talks on stdout"}\n')
    return value**2


def take_steps(seconds: float, steps: int, renew: bool) -> int:
    """Take `seconds` for each of some steps, with the deadline anew after each if `renew`."""
    for _ in range(steps):
        time.sleep(seconds)
        if renew:
            renew_deadline()
    return steps


def note_pid(folder: str, seconds: float) -> int:
    """Leave the worker's process id in `folder` and take `seconds`."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(seconds)
    return os.getpid()


def decode_unless_named(video: str, *rest: Any) -> None:
    """As `decode_clip`, which it is for; files called crash, slow and odd do what they say, wherever they lie."""
    kind = Path(video).stem
    if kind == "slow":
        time.sleep(2)
    if kind == "odd":
        raise KeyError("odd\n numbers")
    misbehave(kind, 0)
    decode_clip(video, *rest)


def decode_file_unless_named(video: str, *rest: Any) -> list[str]:
    """Like `decode_file`, which it replaces; a file called crash does so."""
    misbehave(Path(video).stem, 0)
    return decode_file(video, *rest)


def crash_in_part_two(video: str, file: str, number: int, *rest: Any) -> dict[str, Any]:
    """As `decode_part`, which it is for, as far as part 1."""
    misbehave("crash" if number == 2 else "", 0)
    return decode_part(video, file, number, *rest)

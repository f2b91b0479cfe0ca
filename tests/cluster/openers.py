"""Stand-ins for what stages open on the nodes, which import them by name."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import tavlad
from tavlad.video.decode import Decoder, Limits, Sampling, Video
from tavlad.video.workers import Supervised
from tests.video import hazards


class Blind(Decoder):
    """Sees no file of the driver's."""

    digest_of = staticmethod(lambda path: "")


class Hostile(Decoder):
    """Meets clips that are what they are called; one called fatal ends the actor itself, and where says where its
    code lies, and in which folder it runs."""

    def __init__(self, sampling: Sampling, limits: Limits):
        super().__init__(sampling, limits)
        self.process = Supervised(hazards.decode_file_unless_named, limits.deadline, limits.megabytes)

    def fill(self, clips: Sequence[tuple[Path, str, Video]]) -> list[str]:
        name = clips[0][2].clip
        if name == "fatal":
            os.kill(os.getpid(), signal.SIGKILL)
        return [f"{tavlad.__file__} {os.getcwd()}"] if name == "where" else super().fill(clips)

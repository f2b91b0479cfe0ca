"""Clips and clips per second of each node."""

import time
from collections import Counter
from collections.abc import Mapping

from tavlad import console


class Rates:
    """Counts the clips of each node; `names` are display names by node id."""

    def __init__(self, names: Mapping[str, str]):
        self.names, self.started, self.clips = names, time.monotonic(), Counter[str]()

    def add(self, node: str, clips: int) -> None:
        """Count the clips of a job."""
        self.clips[node] += clips

    def show(self) -> None:
        """Print one line per node."""
        seconds = time.monotonic() - self.started
        for node, clips in self.clips.most_common():
            name = self.names.get(node, "on no node")
            console.done(f"{name}: {console.quantity(clips, 'clip')}, {clips / seconds:.1f} clips/s")

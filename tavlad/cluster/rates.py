"""Who did how much, and how fast."""

import time
from collections import Counter
from collections.abc import Mapping

from tavlad import console


class Rates:
    """Clips of each node, by `names` of the nodes' ids."""

    def __init__(self, names: Mapping[str, str]):
        self.names, self.started, self.clips = names, time.monotonic(), Counter[str]()

    def add(self, node: str) -> None:
        """One clip more."""
        self.clips[node] += 1

    def show(self) -> None:
        """A line for each node."""
        seconds = time.monotonic() - self.started
        for node, clips in self.clips.most_common():
            name = self.names.get(node, "on no node")
            console.done(f"{name}: {clips} clips, {clips / seconds:.1f} clips/s")

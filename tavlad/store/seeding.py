"""Random numbers that depend on what they are for alone, apart from what is drawn with them."""

import hashlib

import numpy as np


def rng_for(seed: int, clip_id: str, turn: int) -> np.random.Generator:
    """A generator that depends on these three alone (`turn`: a view or an epoch), never on order or on other clips."""
    name = hashlib.sha256(f"{seed}\n{turn}\n{clip_id}".encode(errors="surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(name, "big"))

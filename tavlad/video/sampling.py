"""The one rule that says which frames of a video are looked at."""

import numpy as np


def indices(n: int, T: int) -> np.ndarray:
    """Centres of T equal segments of n frames, floor((2i+1) n / 2T): int64 (T), symmetric in time.

    Fewer frames than T are repeated, evenly; nothing at all is a ValueError.
    """
    if n < 1 or T < 1:
        raise ValueError(f"cannot take {T} frames of {n}: both must be at least 1")
    return (2 * np.arange(T, dtype=np.int64) + 1) * n // (2 * T)

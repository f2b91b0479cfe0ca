"""How well order is told: the demo's accuracy among all classes, which pair it is, and within a time-reversed pair.

Run from the folder that holds dvc.yaml, after `dvc repro`:  python benchmarks/pairs.py
"""

from pathlib import Path

import numpy as np

from tavlad.clips.demo import CLASSES
from tavlad.learning.scores import Predictions


def shares(scores: Predictions) -> tuple[float, float, float]:
    """Right among all classes; the right pair; right when only the two classes of the clip's own pair compete."""
    labels, best = scores.labels, scores.logits.argmax(axis=1)
    pairs = scores.logits.reshape(len(labels), -1, 2)[np.arange(len(labels)), labels // 2]
    hits = best == labels, best // 2 == labels // 2, pairs.argmax(axis=1) == labels % 2
    return tuple(float(hit.mean()) for hit in hits)


def main() -> None:
    """Print a row for each stage, over the three splits."""
    for stage, name in (("stage 1", "predictions_stage1.h5"), ("stage 2", "predictions.h5")):
        splits = [Predictions.load(path) for path in sorted(Path("data/evaluate").glob(f"*/{name}"))]
        if any(scores.classes != CLASSES for scores in splits):
            raise SystemExit("data/evaluate does not hold the demo's classes")
        every, pair, within = np.mean([shares(scores) for scores in splits], axis=0)
        print(f"{stage}: accuracy {every:.3f}, pair {pair:.3f}, within pairs {within:.3f}")


if __name__ == "__main__":
    main()

"""Finds the two most similar classes from cached feature maps, before any training.

python examples/read_cache.py data split1
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np

from tavlad.data.table import read_classes, read_examples
from tavlad.features.cache import read_maps, read_shape

data, split = Path(sys.argv[1]), sys.argv[2]

classes = read_classes(data / "index" / "classes.txt")
clips = read_examples(data / "index", split, "train")  # the test part is only for evaluation
V, T, C, H, W = read_shape(data / "features" / f"{clips.ids[0]}.h5")
print(f"{len(clips.ids)} clips: {V} views of {T} frames, {C} channels at {H} x {W} locations")

sums = np.zeros((len(classes), C))
for clip, label in zip(clips.ids, clips.labels, strict=True):
    maps = read_maps(data / "features" / f"{clip}.h5", view=0)  # float16 (T, C, H, W): the centre crop
    sums[label] += maps.astype(np.float64).mean(axis=(0, 2, 3))

units = sums / np.linalg.norm(sums, axis=1, keepdims=True)
cosines = units @ units.T
one, other = max(combinations(range(len(classes)), 2), key=lambda pair: cosines[pair])
print(f"most alike: {classes[one]} and {classes[other]}, cosine {cosines[one, other]:.4f}")

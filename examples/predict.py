"""Predicts the class of a video, and prints where the model looks.

python examples/predict.py clip.mp4 data/stage2/split1
"""

import sys
from pathlib import Path

import numpy as np
import torch

import tavlad
from tavlad.learning.scoring import Scorer
from tavlad.video.reader import read_clip

video, folder = sys.argv[1:]

prediction = tavlad.predict(video, folder)
ranked = zip(prediction.classes, prediction.probabilities, strict=True)
for name, probability in list(ranked)[:3]:
    print(f"{probability:7.2%}  {name}")

# The same step by step. Like the stages, `predict` stores the frames as JPEG in between, so the last digits differ.
scorer = Scorer(Path(folder), torch.device("cpu"))
assert scorer.facts.frames and scorer.facts.short_side, "a stage 1 model takes maps, not frames"
frames = read_clip(video, scorer.facts.frames, scorer.facts.short_side).frames  # uint8 (T, H, W, 3)
logits, attended = scorer.of_frames(frames)  # float32 (Y); attention float32 (T, H, W), None without attention
print(f"logits: {np.array2string(logits, precision=2)}")
if attended.attention is not None and attended.winners is not None:
    for number, (weights, winner) in enumerate(zip(attended.attention, attended.winners, strict=True)):
        row, column = np.unravel_index(weights.argmax(), weights.shape)
        print(f"frame {number}: most at row {row}, column {column}; ImageNet's classifier sees: {winner}")

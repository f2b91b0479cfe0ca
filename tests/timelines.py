"""Long videos made of demo clips, and how well their segments are found."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from tavlad.demo.generator import FPS, DemoClip
from tavlad.learning.checkpoints import save_checkpoint
from tavlad.learning.prediction import load_scorer
from tavlad.video.writer import write_video

Span = tuple[float, float, str]  # start and end (s), and class


def join(path: Path, clips: Iterable[DemoClip]) -> list[Span]:
    """Write the clips one after the other as one video without loss; the true segments."""
    spans: list[Span] = []
    frames: list[np.ndarray] = []
    for clip in clips:
        begin = len(frames)
        frames += clip.scene.frames(clip.backwards)
        spans.append((begin / FPS, len(frames) / FPS, clip.id.split("/")[0]))
    write_video(path, frames, FPS, "ffv1", "bgr0")
    return spans


def read_spans(path: Path) -> list[Span]:
    with open(path, newline="") as file:
        return [(float(row["start"]), float(row["end"]), row["class"]) for row in csv.DictReader(file)]


def segment_f1(found: list[Span], true: list[Span], overlap: float) -> float:
    """F1 of segments; one is found if one of its class overlaps it by that share of both together, each used once."""
    left, hits = list(true), 0
    for span in found:
        best = max((one for one in left if one[2] == span[2]), key=lambda one: _shared(one, span), default=None)
        if best and _shared(best, span) >= overlap:
            left.remove(best)
            hits += 1
    return 2 * hits / (len(found) + len(true))


def _shared(one: Span, other: Span) -> float:
    both = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, both) / (max(one[1], other[1]) - min(one[0], other[0]))


def fit_classifier(model: Path, inputs: list[np.ndarray], labels: list[int]) -> None:
    """Give a made-up model the classifier that least squares finds for frames uint8 (T, H, W, 3) of each clip."""
    scorer = load_scorer(model, torch.device("cpu"))
    descriptors: list[torch.Tensor] = []
    hook = scorer.model.classifier.register_forward_pre_hook(lambda _, given: descriptors.append(given[0][0]))
    for frames in inputs:
        scorer.of_frames(frames)
    hook.remove()
    x = torch.stack(descriptors).double()
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    y = 8.0 * torch.nn.functional.one_hot(torch.tensor(labels)).double()
    weights = torch.linalg.solve(x.T @ x + 1e-3 * torch.eye(x.shape[1]), x.T @ y).float()
    with torch.no_grad():
        scorer.model.classifier.weight.copy_(weights[:-1].T)
        scorer.model.classifier.bias.copy_(weights[-1])
    file = model / "model.safetensors"
    file.unlink()
    save_checkpoint(file, scorer.model, scorer.facts)

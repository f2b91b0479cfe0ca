"""Whether the models of data/ say again what was saved of them, clip by clip, on the one path of inference."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tavlad.features.cache import read_maps
from tavlad.learning.checkpoints import Facts, load_checkpoint
from tavlad.learning.inference import cached_maps, logits_of, maps_of_frames
from tavlad.learning.looks import look
from tavlad.learning.outcome import read_curve
from tavlad.learning.scores import Predictions
from tavlad.model.tavlad import TAVLAD
from tavlad.report.evaluation import FILES
from tavlad.report.looks import read_looks
from tavlad.video.frames import read_frames_file

Place = tuple[str, str, str]  # file, clip, "logits" or "attention"

SEED = 1  # the same clips are taken every time, so that two people who verify talk about the same


def sample(ids: Sequence[str], count: int) -> list[str]:
    """At most `count` of `ids`, evenly drawn from a fixed seed, sorted."""
    picks = np.random.default_rng(SEED).choice(len(ids), size=min(count, len(ids)), replace=False)
    return sorted(ids[pick] for pick in picks)


def distances(data: Path, split: str, count: int, device: torch.device) -> dict[Place, float]:
    """What was saved of `count` held-out clips of `split`, against the same computed again: the largest difference,
    as a share of the largest value; 0 only for the same bits.

    After a stage 2 of 0 epochs the final predictions are those of stage 1, as evaluation has it.
    """
    found: dict[Place, float] = {}
    trained = bool(read_curve(data / "stage2" / split))
    for stage, end in FILES.items():
        file, looks = (data / "evaluate" / split / f"{kind}{end}.h5" for kind in ("predictions", "looks"))
        saved, seen = Predictions.load(file), read_looks(looks)
        source = stage if trained else "stage1"
        model, facts = load_checkpoint(data / source / split)
        if facts.classes != saved.classes:
            raise ValueError(f"{data / source / split} was trained on other classes than {file} names")
        model.to(device)
        for clip in sample(saved.ids, count):
            logits, attention = _again(model, facts, data, clip, source == "stage2", device)
            found[str(file), clip, "logits"] = _distance(saved.logits[saved.ids.index(clip)], logits)
            if seen.attention is not None:
                found[str(looks), clip, "attention"] = _distance(seen.attention[seen.ids.index(clip)], attention)
    return found


def _again(
    model: TAVLAD, facts: Facts, data: Path, clip: str, frames: bool, device: torch.device
) -> tuple[np.ndarray, np.ndarray | None]:
    """The logits (Y) and attention (T, H, W) of one clip, from its frames or else from its maps."""
    if frames:
        if facts.crop is None:
            raise ValueError(f"the model that scored {clip} from frames has seen none: it is no checkpoint of stage 2")
        stored = read_frames_file(data / "frames" / f"{clip}.h5")
        maps, seen = maps_of_frames(model, stored, facts.crop, facts.precision, device)
    else:
        maps = seen = cached_maps(read_maps(data / "features" / f"{clip}.h5", view=0), device)
    return logits_of(model, maps, seen, facts.precision), look(model, maps, seen).attention


def _distance(saved: np.ndarray, made: np.ndarray | None) -> float:
    if made is None or made.shape != saved.shape:
        return float("inf")
    if np.array_equal(saved, made):
        return 0.0
    return float(np.abs(saved - made).max() / max(np.abs(saved).max(), np.finfo(np.float32).tiny))

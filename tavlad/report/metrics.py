"""The scores of one split, as numbers for JSON and as words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tavlad.clips.table import PARTS, Split
from tavlad.learning.scores import Predictions


def evaluation_metrics(
    predictions: Mapping[str, Predictions], top: int, split: Split, excluded: Mapping[str, int]
) -> dict[str, Any]:
    """The document of one split: the scores of each stage, then the clips of each part, and how many each part lost."""
    scores = {stage: stage_metrics(made, top) for stage, made in predictions.items()}
    counts = {part: len(ids) for part, ids in split.parts().items()}
    return {**scores, "clips": counts, "excluded": dict(excluded)}


def stage_metrics(predictions: Predictions, top: int) -> dict[str, float]:
    """top1, top<top>, mean_class_accuracy (shares, to 5 digits), and the number of clips they come from."""
    return {
        "top1": round(predictions.top1, 5),
        f"top{top}": round(predictions.top(top), 5),
        "mean_class_accuracy": round(predictions.mean_class_accuracy, 5),
        "clips": len(predictions.ids),
    }


def evaluation_line(metrics: Mapping[str, Any]) -> str:
    """What `evaluation_metrics` says, in one line."""
    first, final = metrics["stage1"], metrics["stage2"]
    line = f"{final['clips']} held-out clips, top-1 {final['top1']:.3f} (after stage 1: {first['top1']:.3f})"
    return "; ".join(filter(None, [line, lost(metrics["excluded"])]))


def lost(excluded: Mapping[str, int]) -> str:
    """The clips that a split lost, in words; empty where it lost none."""
    parts = [f"{excluded[part]} {part}" for part in PARTS if excluded[part]]
    return f"clips left out by dataset.exclude: {', '.join(parts)}" if parts else ""


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write `document` in its own key order, for people and for DVC."""
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8", newline="\n")

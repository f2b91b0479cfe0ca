"""The page of stage summary: accuracies, curves, confusion, classes, attention, mistakes, decoding errors."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tavlad.report.attention import picture_name
from tavlad.report.classes import all_splits, class_rows
from tavlad.report.mistakes import Mistake, to_small_jpeg
from tavlad.report.page import data_uri, write_page
from tavlad.report.results import SplitResult, warnings_of
from tavlad.report.summary import NAMES, compared

PAIRS = 10  # pairs of confused classes
PICTURES = 16  # pictures of attention on the page; the others are in files beside it
WIDTH = 1280  # width of such a picture in pixels
LISTED = 200  # clips with decoding errors on the page
UNCOUNTED = ("clips", "order", "top1")  # keys of metrics.json that have no row of their own


@dataclass(frozen=True)
class ScoreRow:
    """A score of one model: its value in each split, and the number of correct clips there, if it counts clips."""

    model: str
    score: str
    shares: tuple[float, ...]
    right: tuple[int, ...] | None

    @property
    def mean(self) -> float:
        """The mean over the splits."""
        return float(np.mean(self.shares))


def score_rows(results: Sequence[SplitResult]) -> list[ScoreRow]:
    """All scores, stage 2 first: top-1 in each order of the frames, then the others of metrics.json."""
    clips = [len(result.predictions["stage2"].ids) for result in results]
    classes, rows = len(results[0].predictions["stage2"].classes), []
    for stage in reversed(NAMES):
        for one in (one for one in compared(results) if one.model == stage):
            right = tuple(round(share * count) for share, count in zip(one.top1, clips, strict=True))
            score = "top-1" if one.frames == "filmed" else f"top-1, frames {one.frames}"
            rows.append(ScoreRow(NAMES[stage], score, one.top1, right))
        scores = [result.metrics[stage] for result in results]
        for name in (name for name in scores[0] if name not in UNCOUNTED and not _is_certain(name, classes)):
            words = name.replace("top", "top-").replace("_", " ")
            rows.append(ScoreRow(NAMES[stage], words, tuple(one[name] for one in scores), None))
    return rows


def _is_certain(score: str, classes: int) -> bool:
    """Whether a score is 100 % for any model: top-5 among at most five classes."""
    return score.startswith("top") and int(score.removeprefix("top")) >= classes


@dataclass(frozen=True)
class DoubtfulClip:
    """A clip that was used although fewer frames decode than its header says, or the decoder concealed errors
    (`concealed`, which includes the packets and frames flagged as damaged)."""

    clip: str
    decoded: int
    header: int
    concealed: int


def doubtful_clips(counts: Path) -> list[DoubtfulClip]:
    """Such clips in the table written by stage decode; sorted by most errors, then by most missing frames."""
    with open(counts, newline="", encoding="utf-8") as file:
        rows = [
            DoubtfulClip(
                row["clip"],
                int(row["decoded_count"]),
                int(row["header_count"]),
                int(row["corrupt"]) + int(row["concealed"]),
            )
            for row in csv.DictReader(file)
        ]
    found = [row for row in rows if row.concealed or row.decoded < row.header]
    return sorted(found, key=lambda row: (-row.concealed, row.decoded - row.header, row.clip))


@dataclass(frozen=True)
class Shown:
    """The contents of the page besides the results: mistakes, a picture (JPEG) of each, and how many were asked for;
    the ids of the clips whose attention was drawn; the clips with decoding errors."""

    mistakes: Sequence[Mistake]
    pictures: Sequence[bytes]
    asked: int
    drawn: Sequence[str]
    doubtful: Sequence[DoubtfulClip]


def write_summary_page(results: Sequence[SplitResult], shown: Shown, folder: Path) -> None:
    """Write index.html to `folder`, which contains the other outputs of stage summary: curves.png, attention/, ..."""
    final = all_splits(results)
    wrong = int((~final.right).sum())
    values = {
        "splits": [result.split for result in results],
        "clips": [len(result.predictions["stage2"].ids) for result in results],
        "excluded": max(sum(result.metrics["excluded"].values()) for result in results),
        "classes": len(final.classes),
        "stage2": any(len(result.curves["stage2"]["epoch"]) for result in results),
        "scores": score_rows(results),
        "doubts": warnings_of(results),
        "curves": data_uri((folder / "curves.png").read_bytes(), "png"),
        **_confusions(results),
        **_attention(shown.drawn, folder),
        "mistakes": [
            {"said": one, "picture": data_uri(picture, "jpeg")}
            for one, picture in zip(shown.mistakes, shown.pictures, strict=True)
        ],
        "asked": shown.asked,
        "wrong": wrong,
        "total": len(final.ids),
        "doubtful": shown.doubtful[:LISTED],
        "doubtful_more": max(0, len(shown.doubtful) - LISTED),
    }
    write_page("summary.html", values, folder / "index.html")


def _confusions(results: Sequence[SplitResult]) -> dict[str, Any]:
    """The matrix as (class, number of clips, cells of (count, share of the class's clips)), and pairs and classes."""
    final = all_splits(results)
    counts = final.confusion()
    rows = [
        (name, int(row.sum()), [(int(count), count / max(row.sum(), 1)) for count in row])
        for name, row in zip(final.classes, counts, strict=True)
    ]
    clips = {name: total for name, total, _ in rows}
    pairs = [(label, other, count, clips[label]) for label, other, count in final.confused_pairs(PAIRS)]
    return {"confusion": rows, "pairs": pairs, "rows": class_rows(results)}


def _attention(drawn: Sequence[str], folder: Path) -> dict[str, Any]:
    """Some of the pictures in attention/ by clip, the number of others, and the table of measures."""
    files = {clip: folder / "attention" / picture_name(clip) for clip in drawn}
    there = {clip: file for clip, file in files.items() if file.exists()}
    pictures = []
    for clip, file in list(there.items())[:PICTURES]:
        with Image.open(file, formats=["PNG"]) as picture:
            small = picture.convert("RGB")
            small.thumbnail((WIDTH, 10 * WIDTH))
            pictures.append((clip, data_uri(to_small_jpeg(small), "jpeg")))
    measures: list[dict[str, str]] = []
    if (folder / "attention.csv").exists():
        with open(folder / "attention.csv", newline="", encoding="utf-8") as table:
            measures = list(csv.DictReader(table))
    return {"attention": pictures, "attention_more": len(there) - len(pictures), "measures": measures}

"""`tavlad predict`: the classes of any video file."""

import json
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tavlad import console
from tavlad import device as devices
from tavlad.learning.checkpoints import load_checkpoint
from tavlad.learning.inference import class_scores
from tavlad.video.frames import from_jpeg, to_jpeg
from tavlad.video.reader import BadVideo, read_clip

Ranking = list[tuple[str, float, float]]  # class, probability, logit; the most probable first


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, type=click.Path(exists=True, path_type=Path), help="Such as data/stage2/split1."
)
@click.option("--top", default=5, show_default=True, help="Classes to print.")
@click.option("--json", "as_json", is_flag=True, help="Print all classes with probabilities and logits as JSON.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def predict(clips: tuple[Path, ...], model: Path, top: int, as_json: bool, device: str) -> None:
    """Print the most probable classes of video files."""
    rankings, bad = {}, []
    for clip in clips:
        try:
            rankings[str(clip)] = rank(clip, model, devices.choose(device))
        except BadVideo as error:
            bad.append((str(clip), error.reason))
    if as_json:
        rows = {
            clip: [{"class": c, "probability": p, "logit": s} for c, p, s in ranking]
            for clip, ranking in rankings.items()
        }
        click.echo(json.dumps(rows, indent=2))
    elif rankings:
        Console().print(_table(rankings, top))
    if bad:
        raise console.Failures("some clips cannot be read", bad, "The other clips' classes are printed above.")


def rank(clip: Path, model_folder: Path, device: torch.device) -> Ranking:
    """All classes of a video by probability, through the frame path of the pipeline (sampling, scaling, JPEG, crop)."""
    model, facts = load_checkpoint(model_folder)
    if facts.frames is None or facts.short_side is None or facts.crop is None or facts.jpeg_quality is None:
        raise click.ClickException(
            f"{model_folder} is a stage 1 model, which has no backbone: name a folder below data/stage2."
        )
    decoded = read_clip(clip, facts.frames, facts.short_side)
    frames = from_jpeg(to_jpeg(decoded.frames, facts.jpeg_quality))
    logits = class_scores(model.to(device), frames, facts.crop, facts.precision, device)
    probabilities = torch.from_numpy(logits).softmax(dim=0)
    order = np.argsort(-logits, kind="stable")
    return [(facts.classes[i], float(probabilities[i]), float(logits[i])) for i in order]


def _table(rankings: dict[str, Ranking], top: int) -> Table:
    table = Table("clip", "class", "probability")
    for clip, ranking in rankings.items():
        for place, (name, probability, _) in enumerate(ranking[:top]):
            table.add_row(
                clip if place == 0 else "", name, f"{probability:.1%}", end_section=place + 1 == min(top, len(ranking))
            )
    return table

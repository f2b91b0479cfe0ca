"""`tavlad attend`: a video of where a model looks, and of what it takes the clip for on the way."""

import os
import tempfile
from pathlib import Path

import click
import numpy as np
import torch

from tavlad import console
from tavlad import device as devices
from tavlad.commands.predict import BadClips, load
from tavlad.learning.checkpoints import Facts
from tavlad.learning.inference import logits_of, maps_of_frames
from tavlad.learning.scoring import attention_of_clip
from tavlad.model.tavlad import TAVLAD
from tavlad.report.overlay import WatchedClip, compose
from tavlad.video.frames import DecodedClip, from_jpeg, to_jpeg
from tavlad.video.reader import read_clip
from tavlad.video.stream import stream_frames, write_stream

SUFFIXES = (".mp4", ".mov", ".mkv")


@click.command()
@click.argument("clip", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, type=click.Path(exists=True, path_type=Path), help="Such as data/stage2/split1."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The video, such as out.mp4."
)
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def attend(clip: Path, model: Path, output: Path, device: str) -> None:
    """Show where a model looks in a video file, and what it takes the clip for as it sees more of it."""
    if output.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{output} does not end in {', '.join(SUFFIXES)}", param_hint="--output")
    if output.exists() and clip.exists() and output.samefile(clip):
        raise click.BadParameter("it would overwrite the clip", param_hint="--output")
    chosen = devices.choose(device)
    network, facts = load(model, chosen)
    _require_attention(network, model)
    bad = BadClips()
    with bad.set_aside(clip):
        write_attended(clip, network, facts, output, chosen)
    if bad.rows:
        raise bad.failures("no video was made", answered=False)
    console.done(f"attend: {output}")


def _require_attention(model: TAVLAD, folder: Path) -> None:
    if model.attention is None:
        setting = "pooling: avg" if model.settings.pooling == "avg" else "attention: none"
        raise click.ClickException(
            f"{folder} has no attention map to show: it was trained with {setting}. "
            "Name a model trained with attention: joint or decoupled."
        )


def write_attended(clip: Path, model: TAVLAD, facts: Facts, output: Path, device: torch.device) -> None:
    """Write the video of all frames of `clip`, streamed, whole or not at all; raises BadVideo."""
    decoded, watched = see(clip, model, facts, device)
    total, side = decoded.decoded_count, min(decoded.frames.shape[1:3])
    frames = console.track(stream_frames(clip, side), "attend", total, "frames")
    composed = (compose(frame, number, watched) for number, frame in enumerate(frames))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # absolute: in a relative path FFmpeg takes `a:` for the name of a protocol
        with tempfile.TemporaryDirectory(dir=output.parent.absolute(), prefix=".attend") as aside:
            write_stream(Path(aside, output.name), composed, decoded.fps)
            os.replace(Path(aside, output.name), output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {console.reason(error)}") from error


def see(clip: Path, model: TAVLAD, facts: Facts, device: torch.device) -> tuple[DecodedClip, WatchedClip]:
    """What the model, on `device`, sees of a video through the frame path of the pipeline, and what it makes of it."""
    assert facts.frames and facts.short_side and facts.crop and facts.jpeg_quality, "load() has seen to it"
    decoded = read_clip(clip, facts.frames, facts.short_side)
    frames = from_jpeg(to_jpeg(decoded.frames, facts.jpeg_quality))
    maps, seen = maps_of_frames(model, frames, facts.crop, facts.precision, device)
    logits = [logits_of(model, maps[:, :t], seen[:, :t], facts.precision) for t in range(1, facts.frames + 1)]
    probabilities = torch.from_numpy(np.stack(logits)).softmax(dim=1).numpy()
    looked = attention_of_clip(model, maps, seen)
    assert looked.attention is not None and looked.winners is not None  # the model has attention
    return decoded, WatchedClip(
        decoded.indices, looked.attention, looked.winners, probabilities, facts.classes, facts.crop
    )

"""`tavlad attend`: a video of where a model attends, with its running predictions."""

import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import torch

from tavlad import console
from tavlad import device as devices
from tavlad.errors import InputError, TavladError
from tavlad.learning.checkpoints import Facts
from tavlad.learning.prediction import PLEA, gpu_named, load_scorer
from tavlad.learning.scoring import Scorer
from tavlad.model.tavlad import TAVLAD
from tavlad.report.overlay import WatchedClip, compose
from tavlad.video.frames import DecodedClip, to_jpeg
from tavlad.video.jpeg import unpacked
from tavlad.video.opening import BadVideo
from tavlad.video.reader import read_clip
from tavlad.video.stream import stream_frames, write_stream

SUFFIXES = (".mp4", ".mov", ".mkv")


@click.command(epilog=console.examples("tavlad attend some.avi --model data/stage2/split1 -o attention.mp4"))
@click.argument("clip", type=click.Path(path_type=Path))
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path), help="E.g. data/stage2/split1.")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The video, e.g. out.mp4."
)
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def attend(clip: Path, model: Path, output: Path, device: str) -> None:
    """Make a video of a model's attention and running predictions.

    It shows where the model attends in CLIP, a video file, and what it predicts as it sees more of the frames.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{output} does not end in {', '.join(SUFFIXES)}", param_hint="--output")
    if output.exists() and clip.exists() and output.samefile(clip):
        raise click.BadParameter("it would overwrite the clip", param_hint="--output")
    scorer = load_scorer(model, devices.choose(device))
    _require_attention(scorer.model, model)
    with _blamed(clip), gpu_named():
        write_attended(clip, scorer, output)
    console.done(f"attend: {output}")


@contextmanager
def _blamed(clip: Path) -> Iterator[None]:
    """Report errors with the clip's name, except those that are not the clip's fault."""
    title = "no video was made"
    try:
        yield
    except (TavladError, click.ClickException):
        raise
    except BadVideo as error:
        raise InputError(title, [(str(clip), error.reason)], "Name a video that plays.") from error
    except Exception as error:
        traceback.print_exc()  # needed to fix it
        raise TavladError(title, [(str(clip), f"{console.reason(error)} ({PLEA})")]) from error


def _require_attention(model: TAVLAD, folder: Path) -> None:
    if model.attention is None:
        setting = "pooling: avg" if model.settings.pooling == "avg" else "attention: none"
        raise click.ClickException(
            f"{folder} has no attention map to show: it was trained with {setting}. "
            "Name a model trained with attention: joint or decoupled."
        )


def write_attended(clip: Path, scorer: Scorer, output: Path) -> None:
    """Write the video of all frames of `clip`, streamed and written atomically; raises BadVideo."""
    decoded, watched = see(clip, scorer)
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


def stored_frames(clip: Path, facts: Facts) -> tuple[DecodedClip, np.ndarray]:
    """A video preprocessed as for the model of `facts` (sampling, scaling, JPEG), with frames uint8 (T,H,W,3)."""
    assert facts.frames and facts.short_side and facts.jpeg_quality, "load_scorer() has seen to it"
    decoded = read_clip(clip, facts.frames, facts.short_side)
    return decoded, unpacked(to_jpeg(decoded.frames, facts.jpeg_quality))


def see(clip: Path, scorer: Scorer) -> tuple[DecodedClip, WatchedClip]:
    """A video preprocessed as in the pipeline, and the model's attention and predictions on it."""
    decoded, frames = stored_frames(clip, scorer.facts)
    logits, attended = scorer.after_each_frame(frames)
    probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
    assert attended.attention is not None and attended.winners is not None  # the model has attention
    facts = scorer.facts
    assert facts.crop, "a model of stage 2 has one"
    shown = attended.attention, attended.winners, probabilities, facts.classes, facts.crop
    return decoded, WatchedClip(decoded.indices, *shown)

"""`tavlad predict`: the classes of any video file."""

import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import torch

from tavlad import console
from tavlad import device as devices
from tavlad.errors import TavladError, is_gpu_failure
from tavlad.learning.checkpoints import Facts
from tavlad.learning.scoring import Scorer
from tavlad.video.frames import DecodedClip, to_jpeg
from tavlad.video.jpeg import unpacked
from tavlad.video.opening import BadVideo
from tavlad.video.reader import read_clip

Ranking = list[tuple[str, float, float]]  # class, probability, logit; the most probable first


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, type=click.Path(exists=True, path_type=Path), help="Such as data/stage2/split1."
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes to print.")
@click.option("--json", "as_json", is_flag=True, help="Print all classes with probabilities and logits as JSON.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def predict(clips: tuple[Path, ...], model: Path, top: int, as_json: bool, device: str) -> None:
    """Print the most probable classes of video files."""
    chosen = devices.choose(device)
    scorer = load(model, chosen)
    rankings, bad = {}, BadClips()
    for clip in clips:
        with bad.set_aside(clip):
            rankings[str(clip)] = rank(clip, scorer)
    if as_json:
        rows = {
            clip: [{"class": c, "probability": p, "logit": s} for c, p, s in ranking]
            for clip, ranking in rankings.items()
        }
        click.echo(json.dumps(rows, indent=2))
    elif rankings:
        console.table("", ("clip", "class", "probability"), _rows(rankings, top))
    if bad.rows:
        raise bad.failures("some clips cannot be classified", answered=bool(rankings))


class BadClips:
    """The clips of one command that gave no answer: `(clip, reason)` rows, and how many of them nobody foresaw."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.unforeseen = 0

    @contextmanager
    def set_aside(self, clip: Path) -> Iterator[None]:
        """Let an error of `clip` cost this clip alone; the failure of a GPU, which is no clip's fault, ends it all."""
        try:
            with gpu_named():
                yield
        except (TavladError, click.ClickException):
            raise
        except BadVideo as error:
            self.rows.append((str(clip), error.reason))
        except Exception as error:
            traceback.print_exc()  # whoever repairs it will want to know where
            self.rows.append((str(clip), console.reason(error)))
            self.unforeseen += 1

    def failures(self, title: str, answered: bool) -> TavladError:
        """All of them, with what to do; `answered` says that the classes of other clips were printed."""
        steps = ["The other clips' classes are printed above."] if answered else []
        if not answered and len(self.rows) > self.unforeseen:
            steps.append("Name videos that play.")
        if self.unforeseen:
            steps.append("An error whose traceback is above was not foreseen: please report it.")
        return TavladError(title, self.rows, " ".join(steps))


def load(model_folder: Path, device: torch.device) -> Scorer:
    """The scorer of a model of stage 2, which knows how its frames are made; a ClickException for one of stage 1."""
    with gpu_named():
        scorer = Scorer(model_folder, device)
    if scorer.facts.frames is None:
        raise click.ClickException(
            f"{model_folder} is a stage 1 model, which has no backbone: name a folder below data/stage2."
        )
    return scorer


@contextmanager
def gpu_named() -> Iterator[None]:
    """As `gpu_explained` of the stages, for commands that read no params.yaml."""
    try:
        yield
    except RuntimeError as error:
        if not is_gpu_failure(error):
            raise
        advice = "Free its memory, or use --device cpu."
        raise click.ClickException(f"the GPU failed: {console.reason(error)}. {advice}") from error


def stored_frames(clip: Path, facts: Facts) -> tuple[DecodedClip, np.ndarray]:
    """A video as the pipeline stores it for the model of `facts` (sampling, scaling, JPEG), frames uint8 (T,H,W,3)."""
    assert facts.frames and facts.short_side and facts.jpeg_quality, "load() has seen to it"
    decoded = read_clip(clip, facts.frames, facts.short_side)
    return decoded, unpacked(to_jpeg(decoded.frames, facts.jpeg_quality))


def rank(clip: Path, scorer: Scorer) -> Ranking:
    """All classes of a video by probability."""
    logits, _ = scorer.of_frames(stored_frames(clip, scorer.facts)[1])
    probabilities = torch.from_numpy(logits).softmax(dim=0)
    order = np.argsort(-logits, kind="stable")
    return [(scorer.facts.classes[i], float(probabilities[i]), float(logits[i])) for i in order]


def _rows(rankings: Mapping[str, Ranking], top: int) -> Iterator[console.Row]:
    for clip, ranking in rankings.items():
        shown = ranking[:top]
        for place, (name, probability, _) in enumerate(shown):
            first, last = place == 0, place + 1 == len(shown)
            yield console.Row((clip if first else "", name, f"{probability:.1%}"), ends=last)

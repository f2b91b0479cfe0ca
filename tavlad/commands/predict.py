"""`tavlad predict`: the classes of any number of video files."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import click

from tavlad import console
from tavlad import device as devices
from tavlad.data.finding import Videos, listed
from tavlad.data.listing import count_suffixes
from tavlad.errors import InputError, TavladError
from tavlad.learning.prediction import checkpoint_file, load_scorer, predict_all
from tavlad.learning.scoring import Scorer
from tavlad.params import available_cpus
from tavlad.prediction import Prediction
from tavlad.report.rows import Form, JsonLines, Table, growing, require_new
from tavlad.store.recipes import file_digest

NAMED = 20  # failures that the end names; the rows have all of them
STDOUT = Path("-")
DIGITS = 12  # of a model's digest
EXAMPLES = (
    "tavlad predict some.avi --model data/stage2/split1",
    "tavlad predict clips/ --model data/stage2/split1 -o classes.csv",
    "find . -name '*.mp4' | tavlad predict - --model data/stage2/split1 -o - | jq .path",
)
Said = tuple[dict[str, str], Callable[[Prediction], None]]  # what was said before, and what says more


@click.command(epilog=console.examples(*EXAMPLES))
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option(
    "--model", required=True, type=click.Path(exists=True, path_type=Path), help="Such as data/stage2/split1."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="A new .csv, or a new .jsonl, which holds all classes and logits; - prints JSON Lines.",
)
@click.option(
    "--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes in each line, or row of CSV."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Decoders at work; by default one for each core.")
@click.option("--resume", is_flag=True, help="Go on with the output of a run that was cut short.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def predict(
    paths: tuple[str, ...], model: Path, output: Path | None, top: int, jobs: int | None, resume: bool, device: str
) -> None:
    """Say which classes videos are of, the most probable first.

    PATHS are files, folders, or - for a list of them on stdin, one a line or as `find -print0` writes it. Of a folder
    all videos in it are taken, however deep; hidden files, and those with other suffixes, are left out. Rows appear in
    order, as they are ready. A video that fails has a row with its error; the exit code is then 1.
    """
    _require_usable(output, resume)
    videos = Videos(name for path in paths for name in _meant(path))
    _tell(videos)
    chosen = devices.choose(device)
    if chosen.type == "cuda":
        devices.make_deterministic()  # as evaluate, whose bits these are to be
    scorer = load_scorer(model, chosen)
    with _saying(output, scorer, top, resume) as (held, say):
        failed = {path: error for path, error in held.items() if error}
        todo = [path for path in videos.paths if path not in held]
        with closing(predict_all(todo, scorer, jobs or available_cpus())) as said:
            for prediction in console.track(said, "predict", len(todo), "clips"):
                say(prediction)
                if prediction.error:
                    failed[prediction.path] = prediction.error
    if failed:
        raise _failure(failed, len(held) + len(todo))
    if output not in (None, STDOUT):
        console.done(f"predict: {len(held) + len(todo):,} clips in {output}")


def _require_usable(output: Path | None, resume: bool) -> None:
    if output in (None, STDOUT):
        if resume:
            raise click.BadParameter("there is nothing to go on with: name a file with -o", param_hint="--resume")
    elif output.suffix not in (".csv", ".jsonl"):
        raise click.BadParameter(f"{output} ends neither in .csv nor in .jsonl", param_hint="--output")
    elif not resume:
        require_new(output)


def _meant(path: str) -> list[str]:
    return listed(sys.stdin.buffer.read()) if path == "-" else [path]


def _tell(videos: Videos) -> None:
    """How many videos there are, and how many files are none; InputError where there are none."""
    others = f"{len(videos.others):,} files that are none are left out ({count_suffixes(videos.others)})"
    if not videos.paths:
        raise InputError(f"there is no video to look at{'; ' + others if videos.others else ''}.")
    if videos.others:
        click.echo(f"{len(videos.paths):,} videos; {others}", err=True)


@contextmanager
def _saying(output: Path | None, scorer: Scorer, top: int, resume: bool) -> Iterator[Said]:
    """What `output` says already, by path, and the function that says what a prediction says."""
    model = file_digest(checkpoint_file(scorer.checkpoint))[:DIGITS]
    if output is None:
        yield {}, lambda prediction: console.done(_in_words(prediction, top))
    elif output == STDOUT:
        lines = JsonLines(model)
        yield {}, lambda prediction: console.done(lines.row(prediction).decode().rstrip())
    else:
        form: Form = (
            JsonLines(model) if output.suffix == ".jsonl" else Table(model, min(top, len(scorer.facts.classes)))
        )
        with growing(output, form, resume) as said:
            yield said


def _in_words(prediction: Prediction, top: int) -> str:
    ranked = list(zip(prediction.classes, prediction.probabilities, strict=True))[:top]
    said = prediction.error and f"no class: {prediction.error}"
    return f"{prediction.path}: {said or ', '.join(f'{name} {probability:.1%}' for name, probability in ranked)}"


def _failure(failed: Mapping[str, str], total: int) -> TavladError:
    rows: Sequence[tuple[str, str]] = list(failed.items())[:NAMED]
    advice = [f"{len(failed) - len(rows):,} more failed: their rows say why."] if len(rows) < len(failed) else []
    advice += ["All others have theirs."] if len(failed) < total else []
    return TavladError(f"{len(failed):,} of {total:,} clips have no class", rows, " ".join(advice))

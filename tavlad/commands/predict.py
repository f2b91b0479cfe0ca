"""`tavlad predict`: classify any number of video files."""

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

NAMED = 20  # failures listed at the end; the rows have all of them
STDOUT = Path("-")
DIGITS = 12  # of a model's digest in the rows
EXAMPLES = (
    "tavlad predict some.avi --model data/stage2/split1",
    "tavlad predict clips/ --model data/stage2/split1 -o classes.csv",
    "find . -name '*.mp4' | tavlad predict - --model data/stage2/split1 -o - | jq .path",
)
Said = tuple[dict[str, str], Callable[[Prediction], None]]  # errors by path of earlier rows, and what writes a row


@click.command(epilog=console.examples(*EXAMPLES))
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path), help="E.g. data/stage2/split1.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="A new .csv, or a new .jsonl with all classes and logits; - prints JSON Lines.",
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes per line or CSV row.")
@click.option("--jobs", type=click.IntRange(min=1), help="Parallel decoders; one per core by default.")
@click.option("--resume", is_flag=True, help="Continue the output of an interrupted run.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def predict(
    paths: tuple[str, ...], model: Path, output: Path | None, top: int, jobs: int | None, resume: bool, device: str
) -> None:
    """Classify videos, with the most probable classes first.

    PATHS are files, folders, or - for a list of them on stdin, one per line or as written by `find -print0`. Folders
    are searched recursively for videos; hidden files, and those with other suffixes, are left out. Rows appear in
    order, as soon as they are ready. A video that fails gets a row with its error; the exit code is then 1.
    """
    _require_usable(output, resume)
    videos = Videos(name for path in paths for name in _meant(path))
    _tell(videos)
    chosen = devices.choose(device)
    if chosen.type == "cuda":
        devices.make_deterministic()  # like evaluate, to give the same bits
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
        console.done(f"predict: {console.quantity(len(held) + len(todo), 'clip')} in {output}")


def _require_usable(output: Path | None, resume: bool) -> None:
    if output in (None, STDOUT):
        if resume:
            raise click.BadParameter("there is nothing to continue: name a file with -o", param_hint="--resume")
    elif output.suffix not in (".csv", ".jsonl"):
        raise click.BadParameter(f"{output} ends in neither .csv nor .jsonl", param_hint="--output")
    elif not resume:
        require_new(output)


def _meant(path: str) -> list[str]:
    return listed(sys.stdin.buffer.read()) if path == "-" else [path]


def _tell(videos: Videos) -> None:
    """Report how many videos there are, and how many other files; InputError if there are no videos."""
    others = f"{console.quantity(len(videos.others), 'other file')} ignored ({count_suffixes(videos.others)})"
    if not videos.paths:
        raise InputError(f"no videos found{'; ' + others if videos.others else ''}.")
    if videos.others:
        click.echo(f"{console.quantity(len(videos.paths), 'video')}; {others}", err=True)


@contextmanager
def _saying(output: Path | None, scorer: Scorer, top: int, resume: bool) -> Iterator[Said]:
    """Yield the errors by path of the rows already in `output`, and the function that writes a prediction to it."""
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
    said = prediction.error and f"failed: {prediction.error}"
    return f"{prediction.path}: {said or ', '.join(f'{name} {probability:.1%}' for name, probability in ranked)}"


def _failure(failed: Mapping[str, str], total: int) -> TavladError:
    rows: Sequence[tuple[str, str]] = list(failed.items())[:NAMED]
    advice = [f"{len(failed) - len(rows):,} more failed: their rows say why."] if len(rows) < len(failed) else []
    advice += ["All others were classified."] if len(failed) < total else []
    return TavladError(f"{len(failed):,} of {total:,} clips failed", rows, " ".join(advice))

"""`tavlad timeline`: which class an untrimmed video shows when, as a table of segments and as a picture."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

import click

from tavlad import console
from tavlad import device as devices
from tavlad.errors import InputError, TavladError
from tavlad.learning.prediction import load_scorer
from tavlad.learning.segments import Cell, Segment, segments, smoothed
from tavlad.learning.timeline import Stretch, Window, look
from tavlad.report.strip import Strip, clock_of
from tavlad.video.grid import Grid
from tavlad.video.opening import BadVideo

OVERLAP = 6  # windows that contain a moment, by default
EXAMPLES = (
    "tavlad timeline long.mp4 --model data/stage2/split1 --window 2.4",
    "tavlad timeline long.mp4 --model data/stage2/split1 --stride 0.5 --threshold 0.7 -o long.csv",
)
POSITIVE = click.FloatRange(min=0, min_open=True, max=1e6)
Asked = tuple[float, float]  # window and stride in seconds


@click.command(epilog=console.examples(*EXAMPLES))
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path), help="E.g. data/stage2/split1.")
@click.option(
    "--window",
    default=4.0,
    show_default=True,
    type=POSITIVE,
    help="Seconds that the model sees at a time: as long as the clips that it was trained on.",
)
@click.option("--stride", type=POSITIVE, help="Seconds from window to window; a sixth of the window by default.")
@click.option(
    "--threshold",
    default=0.25,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The lowest smoothed probability that makes a segment.",
)
@click.option(
    "-o",
    "--output",
    default="segments.csv",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file for the segments; the picture is written beside it, as .png.",
)
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
def timeline(
    video: Path, model: Path, window: float, stride: float | None, threshold: float, output: Path, device: str
) -> None:
    """Find when an untrimmed VIDEO shows which class.

    Writes a table of segments, and a picture of them; the video may be of any length.

    The stride is rounded to the model's frame spacing in a window, so that windows share frames. A model only knows its
    own classes: anything else in the video is taken for one of them, unless the threshold is high enough, or the model
    was trained with a class for it.
    """
    asked = (window, stride or window / OVERLAP)
    picture = _beside(output, asked)
    scorer = load_scorer(model, devices.choose(device))
    strip, bad = Strip(), list[BadVideo]()
    with closing(look(str(video), scorer, *asked)) as stretches:
        cells = _cells(video, stretches, asked, bad)
        first = next(cells, None)
        if first is None:
            raise InputError("no timeline was made", [(str(video), bad[0].reason)], "Name a video that plays.")
        found = segments(_added(chain([first], cells), strip), threshold)
        count = _write(output, found, scorer.facts.classes, strip)
    _draw(strip, picture, scorer.facts.classes, video.name)
    if bad:
        kept = f"What is before {clock_of(strip.end)} is in {output} and {picture}."
        raise InputError("the timeline ends where the video cannot be read", [(str(video), bad[0].reason)], kept)
    console.done(f"timeline: {console.quantity(count, 'segment')} in {output}, {picture}")


def _beside(output: Path, asked: Asked) -> Path:
    """The picture's path; impossible requests are rejected before anything is done."""
    if output.suffix != ".csv":
        raise click.BadParameter(f"{output} does not end in .csv", param_hint="--output")
    if asked[1] > asked[0]:
        raise click.BadParameter(f"windows of {asked[0]:g} s would leave gaps", param_hint="--stride")
    picture = output.with_suffix(".png")
    for path in (output, picture):
        if os.path.lexists(path):
            raise InputError(f"{path} exists: nothing is overwritten; name another file with -o.")
    return picture


def _until_bad(stretches: Iterable[Stretch], bad: list[BadVideo]) -> Iterator[Stretch]:
    """The stretches of a video; a BadVideo that ends it early goes to `bad`, so that what came before is finished."""
    try:
        yield from stretches
    except BadVideo as error:
        bad.append(error)


def _cells(video: Path, stretches: Iterable[Stretch], asked: Asked, bad: list[BadVideo]) -> Iterator[Cell]:
    """The cells of a video, with a progress bar; InputError if it is shorter than a window."""
    stretches = _until_bad(stretches, bad)
    first = next(stretches, None)
    if first is None:
        return
    _tell(first.grid, asked)
    with console.bar("timeline", max(1, int(first.duration)), "s of video") as advance:

        def windows() -> Iterator[Window]:
            seen, whole = 0.0, 0
            for stretch in chain([first], stretches):
                yield from stretch.windows
                advance(stretch.until - seen)
                seen, whole = stretch.until, whole + len(stretch.windows)
            if not whole and not bad:
                window = float(first.grid.window)
                raise InputError(f"{video}: {seen:g} s can be read, less than a window of {window:g} s (--window).")

        yield from smoothed(windows(), first.grid)


def _tell(grid: Grid, asked: Asked) -> None:
    """Report the window and stride in use, which may be rounded."""
    used = float(grid.window), float(grid.stride)
    words = [f"windows of {window:.4g} s every {stride:.4g} s" for window, stride in (used, asked)]
    rounded = f" (rounded; asked for: {words[1]})" if words[0] != words[1] else ""
    frames = f"{console.quantity(grid.frames, 'frame')}, {float(grid.spacing):.4g} s apart"
    click.echo(f"{words[0]}{rounded}; of each {frames}", err=True)


def _added(cells: Iterable[Cell], strip: Strip) -> Iterator[Cell]:
    for cell in cells:
        strip.add(cell)
        yield cell


def _write(output: Path, found: Iterable[Segment], classes: Sequence[str], strip: Strip) -> int:
    """Write each segment to the new file as soon as it ends, so that none is lost; return their number."""
    count = 0
    with _refusals(output), open(output, "x", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["start", "end", "class", "probability"])
        for one in found:
            writer.writerow([f"{one.start:.3f}", f"{one.end:.3f}", classes[one.label], f"{one.probability:.4f}"])
            file.flush()
            strip.segments.append(one)
            count += 1
    return count


def _draw(strip: Strip, picture: Path, classes: Sequence[str], name: str) -> None:
    with _refusals(picture):
        strip.draw(picture, classes, f"{name}, {clock_of(strip.end)}")


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TavladError(f"{path} cannot be written: {console.reason(error)}. The rest is kept.") from error

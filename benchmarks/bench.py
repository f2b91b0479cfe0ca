"""`make bench`: what the pipeline achieves on this machine, beside the least that the machine needs for the same work.

Every row has its achieved rate, its floor (a bare loop or network without this project's code, measured in the same
run), and the ratio of the two: 1 is at the limit. Some rows also have what one would run instead. All pieces of work
are done in turn, round after round, and the fewest seconds of each count, so that other load on the machine does less
harm; nothing is asserted about time. Inputs are drawn: clips of UCF101's size by the demo's generator, frames, maps and
models by the numbers of presets/ucf101.yaml, weights random. All lies below $TMPDIR and is removed at the end.

The stages decode and extract run whole, as dvc.yaml calls them, but in this process: Python's start is not in them.
The page cache holds all that is read.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks import records
from benchmarks.commands import commands
from benchmarks.features import features
from benchmarks.floors import floors, named_floors
from benchmarks.place import Sizes, Workplace, workplace
from benchmarks.timing import Judged, Part, best_of
from benchmarks.training import training
from benchmarks.video import video
from tavlad import console

RESULTS = Path(__file__).with_name("results.jsonl")
HEADS = ("what", "achieved", "floor", "ratio", "the floor is", "instead", "which is")


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Repeats; the best counts.")
@click.option(
    "--output",
    default=RESULTS,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the line of JSON goes, in the place of an older one of this machine and commit.",
)
def main(rounds: int, output: Path) -> None:
    """The module's docstring is the help."""
    console.done(f"written to {output}: {measure(Sizes(), rounds, output.absolute())} rows")


PARTS = (floors, video, features, training, commands)


def measure(sizes: Sizes, rounds: int, output: Path, chosen: Sequence[Callable[[Workplace], Part]] = PARTS) -> int:
    """Print the table of the `chosen` parts, in this order, and add its line to `output`; the number of rows."""
    started, load = time.time(), os.getloadavg()
    with workplace(sizes) as place:
        parts = [part(place) for part in chosen]
        count = rounds * sum(len(part.runs) for part in parts)
        with console.bar("benchmark", count, "runs") as advance:
            best = best_of(parts, rounds, advance)
        rows = [row.judged(best) for part in parts for row in part.rows]
        bare = named_floors(place, best)
    shown = [row.as_json() for row in rows]
    measured = {"floors": bare, "rows": shown, "runs": best, "rounds": rounds, "sizes": vars(sizes)}
    line = records.record("bench", started, load, measured)
    show(rows, bare, line)
    records.keep(output, line)
    return len(rows)


def show(rows: list[Judged], bare: dict[str, float], line: dict[str, object]) -> None:
    """Print the rows, and below them the floors and the machine."""
    notes = [f"{name}: {value:.4g}" for name, value in bare.items()]
    notes += [f"{name}: {line[name]}" for name in ("machine", "load", "seconds")]
    console.table("", HEADS, (console.Row(_cells(row)) for row in rows), notes=notes)


def _cells(row: Judged) -> tuple[str, ...]:
    instead = "" if row.instead is None else f"{row.instead:.3g} {row.unit}"
    shown = f"{row.achieved:.3g} {row.unit}", f"{row.floor:.3g} {row.unit}", f"{row.ratio:.2f}"
    return row.name, *shown, row.floor_is, instead, row.instead_is


if __name__ == "__main__":
    main()

"""`make bench`: the speed of the pipeline on this machine, compared with the least time that the same work can take.

Every row has its rate, its floor (a bare loop or network without this project's code, measured in the same run), and
the ratio of the two: 1 is at the limit. Some rows also have an alternative that one would use instead. All workloads
run in turn, round after round, and the best time of each counts, which reduces the effect of other load. Nothing is
asserted about time. Inputs are synthetic: clips of UCF101's size from the demo's generator; frames, maps and models
with the numbers of presets/ucf101.yaml; random weights. All files are in $TMPDIR and are removed at the end.

The stages decode and extract run complete, as dvc.yaml calls them, but in this process, so that Python's start-up is
not included. Everything that is read is in the page cache.
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
    help="File for the line of JSON; it replaces an older line of this machine and commit.",
)
def main(rounds: int, output: Path) -> None:
    """The module's docstring is the help."""
    console.done(f"written to {output}: {measure(Sizes(), rounds, output.absolute())} rows")


PARTS = (floors, video, features, training, commands)


def measure(sizes: Sizes, rounds: int, output: Path, chosen: Sequence[Callable[[Workplace], Part]] = PARTS) -> int:
    """Print the table of the `chosen` parts, in this order, and add its line to `output`; return the number of rows."""
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
    """Print the rows, with the floors and the machine below."""
    notes = [f"{name}: {value:.4g}" for name, value in bare.items()]
    notes += [f"{name}: {line[name]}" for name in ("machine", "load", "seconds")]
    console.table("", HEADS, (console.Row(_cells(row)) for row in rows), notes=notes)


def _cells(row: Judged) -> tuple[str, ...]:
    instead = "" if row.instead is None else f"{row.instead:.3g} {row.unit}"
    shown = f"{row.achieved:.3g} {row.unit}", f"{row.floor:.3g} {row.unit}", f"{row.ratio:.2f}"
    return row.name, *shown, row.floor_is, instead, row.instead_is


if __name__ == "__main__":
    main()

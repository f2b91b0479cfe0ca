"""Stage `decode` on a corpus of damaged and odd files; prints the outcomes by kind.

    python -m tests.faults.fuzz --files 2000

Exits with 1 if anything went wrong, and then keeps the files for inspection.
"""

import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from tavlad import console
from tavlad.data.table import Clip
from tavlad.store.store import Store
from tavlad.video.batch import Tally, Tolerance, decode_all
from tavlad.video.decode import Limits, Sampling
from tests.faults import pyav_reference
from tests.faults.corpus import corpus
from tests.faults.source_videos import make_sources
from tests.faults.verdicts import OUTCOMES, Result, Verdict, stored
from tests.memory import most_held

SAMPLED, SHORT_SIDE, QUALITY = 8, 32, 95
TOLERANCE = Tolerance(min_frames=1, missing=0.1, damage=1.0)
SLACK = 64  # megabytes by which the resident size may exceed the limit on data, because of library pages
WIDE = 130  # width of the tables in characters


@click.command()
@click.option("--files", default=2000, help="files in the corpus")
@click.option("--seed", default=1)
@click.option("--folder", type=click.Path(path_type=Path), help="a new folder for all files, to be kept")
@click.option("--deadline", default=15.0, help="seconds that a clip may take")
@click.option("--megabytes", default=200, help="memory that a clip may take")
@click.option("--workers", default=2)
@click.option("--samples/--no-samples", default=True, help="whether to damage the sample clips, where they are")
def main(
    files: int, seed: int, folder: Path | None, deadline: float, megabytes: int, workers: int, samples: bool
) -> None:
    """Make the corpus, decode it as the stage does, and compare with plain PyAV."""
    place = folder or Path(tempfile.mkdtemp(prefix="faults"))
    wrongs = fuzz(place, files, seed, Limits(workers, deadline, megabytes), samples)
    click.echo("".join(f"WRONG {line}\n" for line in wrongs) + f"{files} files, {len(wrongs)} wrongs")
    if not folder and not wrongs:
        shutil.rmtree(place)
    sys.exit(bool(wrongs))


def fuzz(folder: Path, files: int, seed: int, limits: Limits, samples: bool) -> list[str]:
    """Print the outcomes of a corpus of `files` in `folder`; return everything that is wrong."""
    sources = make_sources(folder / "sources", seed, samples)
    whole, usual = decoded([source.path for source in sources], folder / "intact", limits)
    intact = dict(zip(sources, whole, strict=True))
    cases = corpus(folder / "corpus", files, seed, sources)
    results, peak = decoded([case.path for case in cases], folder / "store", limits)
    doubtful = [case.path for case in cases if case.expect == "either"]
    answers = dict(zip(doubtful, pyav_reference.ask(doubtful, limits.deadline, 2 * limits.megabytes), strict=True))
    verdicts = [
        Verdict(case, result, intact[case.source] if case.source else None, answers.get(case.path), SAMPLED, TOLERANCE)
        for case, result in zip(cases, results, strict=True)
    ]
    wrongs = [f"{verdict.case.path}: {wrong}" for verdict in verdicts for wrong in verdict.wrongs()]
    show(verdicts)
    held = f"a worker held {peak:.0f} MB; on intact films {usual:.0f} MB; a clip may take {limits.megabytes} MB"
    click.echo(held)
    return [*wrongs, held] if peak > usual + limits.megabytes + SLACK else wrongs


def decoded(paths: Sequence[Path], folder: Path, limits: Limits) -> tuple[list[Result], float]:
    """Decode files as the stage does, in random order, to a store in `folder`; return one result each, in order, and
    the peak memory of a worker in megabytes."""
    clips = [Clip(str(place), str(path), "", "", str(place), "present") for place, path in enumerate(paths)]
    mixed = [clips[place] for place in np.random.default_rng(0).permutation(len(clips))]
    store, tally, results, peak = Store(folder), Tally(TOLERANCE), {}, 0.0
    finished = decode_all(store, mixed, Path("/"), Sampling(SAMPLED, SHORT_SIDE, QUALITY), limits)
    for result in console.track(finished, "decode", len(clips), "clips"):
        assert result.name not in results, f"{result.name} has finished twice"
        known = len(tally.bad)
        tally.add(result)
        results[result.name] = stored(result, tally.bad[known][1] if len(tally.bad) > known else None)
        peak = max([peak, *(most_held(worker.pid) / 1e6 for worker in psutil.Process().children())])
    return [results[clip.id] for clip in clips], peak


def show(verdicts: Sequence[Verdict]) -> None:
    """Print the outcomes by kind, then the reasons, then videos with large undetected losses."""
    table = Table("kind", "files", *OUTCOMES, "unnoticed loss", "unjudged")
    for kind in [*sorted({verdict.case.kind for verdict in verdicts}), "all"]:
        of_kind = [verdict for verdict in verdicts if kind in (verdict.case.kind, "all")]
        outcomes = Counter(verdict.result.outcome for verdict in of_kind)
        counts = [outcomes[name] for name in OUTCOMES]
        counts += [sum(verdict.unnoticed for verdict in of_kind), sum(verdict.unjudged for verdict in of_kind)]
        table.add_row(kind, str(len(of_kind)), *(str(count or "") for count in counts))
    reasons = Counter(re.sub(r"\d+", "#", verdict.result.reason) for verdict in verdicts if verdict.result.reason)
    causes = Table("files", "reason")
    for reason, number in reasons.most_common():
        causes.add_row(str(number), reason)
    Console(width=WIDE).print(table, causes)
    lost = Counter(verdict.case.path.suffix for verdict in verdicts if verdict.unnoticed)
    click.echo("unnoticed losses: " + (", ".join(f"{n} {suffix}" for suffix, n in lost.most_common()) or "none"))


if __name__ == "__main__":
    main()

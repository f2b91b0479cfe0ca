"""`make bench-scale`: the overhead of stages for 10^2, 10^3 and 10^4 clips with little work on each.

The clips are copies of a tiny video, each with its own digest, frames of 32 pixels and maps of one location. Each stage
runs as dvc.yaml calls it, in its own process: index, decode and extract on a new data set, then again with nothing new;
codebook. The table has seconds, the peak memory of the stage's process (Linux only), and how both grow with the number
of clips; nothing is asserted. COUNTS are the numbers of clips. All files are in $TMPDIR and are removed at the end.
"""

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from ruamel.yaml import YAML

from benchmarks import records
from benchmarks.bench import RESULTS
from benchmarks.place import ROOT, draw, project_environment
from pipeline.code import STAGES, digest_of
from tavlad import console

COUNTS = (100, 1_000, 10_000)
CLASSES = 4
TINY = {
    "frames": 2,
    "short_side": 32,
    "crop": 32,
    "clusters": 16,
    "workers": 2,
    "precision": "float32",
    "dataset": {"root": "raw", "layout": "folders"},
    "backbone": {"weights": "random"},
    "extract": {"views": 1},
    "codebook": {"descriptors": 2000, "iterations": 10},
}
DATA, BACKBONE = "index/clips.csv", "backbone.safetensors"
StageRun = tuple[str, str, tuple[str, ...]]  # name in the table, stage, arguments
RUNS: tuple[StageRun, ...] = (
    ("index", "index", ("index",)),
    ("index again", "index", ("index",)),
    ("decode", "decode", (DATA, "frames")),
    ("decode again", "decode", (DATA, "frames")),
    ("backbone", "backbone", (BACKBONE,)),
    ("extract", "extract", (DATA, "frames", BACKBONE, "features")),
    ("extract again", "extract", (DATA, "frames", BACKBONE, "features")),
    ("codebook", "codebook", ("split1", "index", "features", "codebook.safetensors")),
)
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # with batches of two tiny frames, threads would only wait for each other
UNMEASURED = ("backbone",)  # does not depend on clips


@dataclass(frozen=True)
class Measured:
    """The time and memory of a stage for so many clips."""

    stage: str
    clips: int
    seconds: float
    bytes: int


@click.command(help=__doc__)
@click.argument("counts", nargs=-1, type=click.IntRange(min=12))
@click.option("--output", default=RESULTS, type=click.Path(dir_okay=False, path_type=Path), help="Output file.")
def main(counts: tuple[int, ...], output: Path) -> None:
    """The module's docstring is the help."""
    measure(counts or COUNTS, output.absolute())


def measure(counts: Sequence[int], output: Path, runs: Sequence[StageRun] = RUNS) -> None:
    """Print the table of `runs` on these numbers of clips, and add its line to `output`."""
    started, load, rows = time.time(), os.getloadavg(), []
    with console.bar("benchmark", len(counts) * len(runs), "stages") as advance:
        for count in counts:
            for one in stages(count, runs):
                rows.append(one)
                advance(1, f"{one.stage}, {count} clips")
    shown = [one for one in rows if one.stage not in UNMEASURED]
    heads = ("stage", *(f"{count} clips" for count in counts), *(f"seconds, MB x at {n}" for n in counts[1:]))
    names = dict.fromkeys(one.stage for one in shown)
    console.table("", heads, (console.Row(_cells([one for one in shown if one.stage == name])) for name in names))
    records.keep(output, records.record("scale", started, load, {"rows": [asdict(one) for one in shown]}))
    console.done(f"written to {output}")


def stages(clips: int, runs: Sequence[StageRun]) -> Iterator[Measured]:
    """Measure each of `runs` on so many stand-ins, in a temporary folder."""
    with TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        prepare(folder, clips)
        for label, stage, arguments in runs:
            yield _run(folder, label, stage, arguments, clips)


def prepare(folder: Path, clips: int) -> None:
    """Write stand-ins to `folder`/raw, params.yaml, and the digests of the stages' code."""
    draw(1, folder / "one.mp4", 3)
    video = (folder / "one.mp4").read_bytes()
    for number in range(clips):
        path = folder / "raw" / f"class{number % CLASSES}" / f"clip{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video + struct.pack(">I4sQ", 16, b"free", number))  # a box that players skip
    document = YAML().load(ROOT / "presets" / "ucf101.yaml")
    for key, value in TINY.items():
        document[key].update(value) if isinstance(value, dict) else document.update({key: value})
    YAML().dump(document, folder / "params.yaml")
    (folder / "code").mkdir()
    for stage in STAGES:
        (folder / "code" / f"{stage}.txt").write_text(f"{digest_of(stage)}\n")


def _run(folder: Path, label: str, stage: str, arguments: Sequence[str], clips: int) -> Measured:
    words = [sys.executable, "-m", "benchmarks.peak", "peak.txt", f"pipeline.{stage}", f"code/{stage}.txt", *arguments]
    environment = {**project_environment(), **ONE_THREAD, "TAVLAD_STORE": str(folder / "store")}
    start = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"stage {stage} on {clips} stand-ins exited with {done.returncode}\n{done.stderr}")
    return Measured(label, clips, seconds, int((folder / "peak.txt").read_text()))


def _cells(rows: Sequence[Measured]) -> tuple[str, ...]:
    costs = [f"{one.seconds:.1f} s, {one.bytes / 1e6:.0f} MB" for one in rows]
    pairs = list(pairwise(rows))
    growth = [f"{later.seconds / one.seconds:.2g}, {later.bytes / one.bytes:.2g}" for one, later in pairs]
    return rows[0].stage, *costs, *growth


if __name__ == "__main__":
    main()

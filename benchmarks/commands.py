"""Commands as users start them: `tavlad predict`, and `dvc repro` with nothing to do."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.floors import network_seconds
from benchmarks.place import ROOT, Workplace, project_environment
from benchmarks.timing import Best, Part, Row, timed

COPIED = ("pipeline", "tavlad", "dvc.yaml", "params.yaml", ".dvc/config", ".dvcignore", ".gitignore")
SPLITS = ("split1", "split2", "split3")
TABLES = ("boxes.csv", "classes.txt", "clips.csv", "excluded.csv", "reversals.csv", *(f"{one}.csv" for one in SPLITS))
ONE_STAGE = "stages:\n  one:\n    cmd: none\n    deps: [source]\n    outs: [made]\n"


def commands(place: Workplace) -> Part:
    """The runs and rows of this module; uses the model that `training` saves."""
    count = place.sizes.predicted
    videos = place.named_videos(count)
    words = ["-m", "tavlad.cli", "predict", *map(str, videos), "-o", "-", "--model", str(place.folder)]
    project, empty = place.folder / "project", place.folder / "empty"
    stand_in(project, place.sizes.stand_ins)
    one_stage(empty)
    runs = {
        "predict": timed(lambda: call(place.folder, *words)),
        "no-op dvc repro": timed(lambda: repro(project)),
        "one stage": timed(lambda: repro(empty)),
    }

    def pieces(best: Best) -> float:
        decoded = best["bare decoder, one thread"] * count / len(place.videos)
        return best["start of Python"] + decoded + network_seconds(place, count * place.decode.frames)(best)

    predict = Row(
        f"tavlad predict, {count} clips",
        "s",
        1,
        lambda best: best["predict"],
        pieces,
        f"start-up of Python with torch, the bare decoder in one thread, the bare network in {place.precision}",
    )
    noop = Row(
        "no-op dvc repro",
        "s",
        1,
        lambda best: best["no-op dvc repro"],
        lambda best: best["one stage"],
        "a no-op dvc repro of one stage with one file",
    )
    return Part(runs, [predict, noop])


def call(folder: Path, *words: str) -> str:
    """The stdout of this Python, run with `words` in `folder`; RuntimeError with all its output if it fails."""
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, env=project_environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def repro(folder: Path) -> None:
    """`dvc repro`; RuntimeError if it runs a stage."""
    printed = call(folder, "-m", "dvc", "repro")
    if "Running stage" in printed:
        raise RuntimeError(f"dvc repro in {folder} should have found nothing to do\n{printed}")


def stand_in(folder: Path, clips: int) -> None:
    """A copy of the project that looks as if its stages had run on so many clips: small files, recorded in dvc.lock."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    call(folder, "-m", "pipeline.check", "data/code", *(word for split in SPLITS for word in ("--split", split)))
    each = [f"{room}/{number}" for room in ("demo", "frames", "features") for number in range(clips)]
    trained = [f"{stage}/{split}/file" for stage in ("stage1", "stage2", "evaluate") for split in SPLITS]
    books = [f"codebook/{split}.safetensors" for split in SPLITS]
    others = ["backbone/backbone.safetensors", "summary/file", "metrics.json"]
    for name in [*each, *trained, *books, *others, *(f"index/{name}" for name in TABLES)]:
        file = folder / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}\n")
    (folder / "data" / "metrics.json").write_text("{}\n")
    call(folder, "-m", "dvc", "commit", "--force")


def one_stage(folder: Path) -> None:
    """The smallest possible DVC project."""
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "dvc.yaml").write_text(ONE_STAGE)
    for name in ("source", "made"):
        (folder / name).write_text(name)
    call(folder, "-m", "dvc", "commit", "--force")

"""What a change reaches, stage by stage and clip by clip: everything downstream of it, and nothing else."""

import json
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest
from ruamel.yaml import YAML

from tavlad.store.recipes import file_digest
from tests.test_dag import CLIPS, entries, ran

pytestmark = pytest.mark.whole

LINE = ["index", "decode", "extract", "codebook", "stage1", "stage2", "evaluate", "summary"]
VIDEO = "Ripen/v_Ripen_g01_c01"


def named(value: object) -> str:
    """The same name in every test process: a set of words has another order in each."""
    return " ".join(sorted(value)) if isinstance(value, set) else str(value)


def since(stage: str) -> set[str]:
    return set(LINE[LINE.index(stage) :])


@pytest.fixture(scope="module")
def ready(new_project):
    """A project that ran to the end on clips of its own, with one split: the three are alike."""
    project = new_project("stale")
    project.edit({"dataset": {"root": "data/raw"}, "stage1": {"epochs": 1}, "stage2": {"epochs": 1}})
    project.keep_one_split()
    project.run("dvc", "repro", "demo")
    shutil.copytree(project.folder / "data" / "demo", project.folder / "data" / "raw", copy_function=shutil.copyfile)
    project.run("dvc", "repro")
    project.commit("ran")
    return project


def change(project, what: str | dict | tuple[str, str, str]) -> None:
    """Edit parameters (a dictionary), code (file, before, after), the last byte of a video, or else append a line of
    code to a module."""
    if isinstance(what, dict):
        project.edit(what)
    elif isinstance(what, tuple):
        name, before, after = what
        text = (project.folder / name).read_text()
        assert before in text, f"{name} no longer holds {before}"
        (project.folder / name).write_text(text.replace(before, after))
    elif what == VIDEO:
        file = project.folder / "data" / "raw" / f"{VIDEO}.avi"
        file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    else:
        file = project.folder / what
        file.write_text(file.read_text() + "\nCHANGED = True\n")


@contextmanager
def changed(project, *changes: str | dict | tuple[str, str, str]) -> Iterator[None]:
    """The project with `changes`; afterwards all is as it was, whatever happened."""
    video = project.folder / "data" / "raw" / f"{VIDEO}.avi"
    before = video.read_bytes()
    try:
        for what in changes:
            change(project, what)
        yield
    finally:
        video.write_bytes(before)
        project.run("git", "checkout", "-q", ".")


def stale_stages(project) -> set[str]:
    """The stages whose own parameters, code or input changed: `dvc repro` would run them whatever the others give."""
    return {name.split("@")[0] for name in json.loads(project.run("dvc", "status", "--json").stdout)}


def reached(project, stale: set[str]) -> set[str]:
    """`stale` and all that follows from their outputs by dvc.lock; those of `check` follow from the code alone."""
    stages = {name.split("@")[0]: stage for name, stage in documents(project).items()}
    found = set(stale)
    for _ in stages:
        outputs = [out["path"] for name in found - {"check"} for out in stages[name]["outs"]]
        for name, stage in stages.items():
            paths = [Path(dep["path"]) for dep in stage["deps"]]
            if any(path.is_relative_to(out) or Path(out).is_relative_to(path) for path in paths for out in outputs):
                found.add(name)
    return found


def documents(project) -> dict:
    return YAML(typ="safe").load(project.folder / "dvc.lock")["stages"]


@pytest.mark.parametrize(
    ("what", "stale", "all_reached"),
    [
        ({"workers": 1, "device": "cpu", "processes": 2}, "", set()),
        ({"demo": {"seed": 2}}, "demo", {"demo"}),  # these clips are not the demo's
        ({"dataset": {"exclude": [VIDEO]}}, "index", since("index")),
        ({"dataset": {"reversed": True}}, "index", since("index")),
        ({"frames": 5}, "decode", since("decode")),
        ({"backbone": {"seed": 2}}, "backbone", {"backbone"} | since("extract")),
        ({"crop": 32}, "extract stage2 summary", since("extract")),
        ({"extract": {"views": 2}}, "extract", since("extract")),
        ({"clusters": 5}, "codebook", since("codebook")),
        ({"seed": 2}, "codebook stage1 stage2", since("codebook")),
        ({"temporal": "sum"}, "stage1", since("stage1")),
        ({"stage2": {"lr": 1e-5}}, "stage2", since("stage2")),
        ({"evaluate": {"top": 3}}, "evaluate", since("evaluate")),
        ({"summary": {"clips": [VIDEO]}}, "summary", since("summary")),
    ],
    ids=named,
)
def test_a_parameter_reaches_what_follows_from_it(ready, what, stale, all_reached):
    with changed(ready, what):
        found = stale_stages(ready)
    assert found == {"check", *stale.split()}  # which reads all of params.yaml, in no time
    assert reached(ready, found) == {"check"} | all_reached


def test_a_byte_of_a_video_reaches_what_follows_from_it(ready):
    with changed(ready, VIDEO):
        found = stale_stages(ready)
    assert found == {"index", "decode"} and reached(ready, found) == since("index")


@pytest.mark.parametrize(
    ("what", "stale", "all_reached"),
    [
        ("pipeline/extract.py", "extract", since("extract")),
        ("tavlad/demo/scene.py", "demo backbone", {"demo", "backbone"} | since("extract")),
        ("tavlad/video/reader.py", "index decode", since("index")),
        ("tavlad/learning/codebook.py", "codebook stage1", since("codebook")),
        ("tavlad/model/temporal.py", "stage1 stage2 evaluate", since("stage1")),
        ("tavlad/learning/scoring.py", "evaluate", since("evaluate")),
        ("tavlad/report/results.py", "evaluate summary", since("evaluate")),
        ("tavlad/console.py", " ".join(["demo", "backbone", *LINE]), {"demo", "backbone", *LINE}),
        ("tavlad/commands/predict.py", "", set()),
    ],
)
def test_a_line_of_code_changes_the_digests_of_the_stages_that_import_it(ready, what, stale, all_reached):
    """Check says so as well, for `dvc status` knows of its own stage alone."""
    with changed(ready, what):
        assert stale_stages(ready) == {"check"}
        said = ready.run("python", "-m", "pipeline.check", "code", "--split", "split1").stdout
        digests = {file.stem: file.read_text() for file in (ready.folder / "code").iterdir()}
    written = {file.stem: file.read_text() for file in (ready.folder / "data" / "code").iterdir()}
    found = {stage for stage in written if digests[stage] != written[stage]}
    assert found == set(stale.split()) and reached(ready, found) == all_reached
    named = re.search("the code of (.*) has changed", said)
    assert (set(named[1].split(", ")) if named else set()) == found


def clips_of(found: Iterable[Path]) -> list[str]:
    """The clips of entries of the store."""
    clips = []
    for path in found:
        with h5py.File(path, "r") as file:
            clip = file.attrs["clip"]  # str in the frame store, bytes in the cache
            clips.append(clip if isinstance(clip, str) else clip.decode())
    return sorted(clips)


@pytest.mark.parametrize(
    ("what", "stages", "decoded", "extracted"),
    [
        (VIDEO, "index decode extract", "one", "one"),
        ("tavlad/features/extraction.py", "check extract", "none", "all"),
        ({"decode": {"tolerance": 0.2}}, "check decode", "none", "none"),
    ],
    ids=named,
)
def test_these_clips_and_no_others_are_computed_again(ready, what, stages, decoded, extracted):
    raw = ready.folder / "data" / "raw"
    clips = {"none": [], "one": [VIDEO], "all": sorted(f"{p.parent.name}/{p.stem}" for p in raw.glob("*/*.avi"))}
    assert len(clips["all"]) == CLIPS
    before = {stage: entries(ready, stage) for stage in ("decode", "extract")}
    try:
        with changed(ready, what):
            output = ready.run("dvc", "repro", "extract").stdout
    finally:
        ready.run("dvc", "checkout", "--force", "-q")
    assert ran(output) == set(stages.split())
    for stage, expected in (("decode", decoded), ("extract", extracted)):
        now = entries(ready, stage)
        assert before[stage].items() <= now.items()
        assert clips_of(now.keys() - before[stage].keys()) == clips[expected], stage


VALUES = {
    "demo": ("tavlad/demo/generator.py", "QUANTISER = 16", "QUANTISER = 15"),
    "decode": ("tavlad/video/frames.py", "2 * np.arange(T, dtype=np.int64) + 1", "2 * np.arange(T, dtype=np.int64)"),
    "backbone": ("tavlad/demo/actions.py", "EDGE = 3", "EDGE = 2"),
    "extract": ("tavlad/features/extraction.py", "return clip_maps(", "return -clip_maps("),
    "codebook": ("tavlad/model/precision.py", "EPS = 1e-6", "EPS = 1e-2"),
    "stage1": ("pipeline/stage1.py", "self.lr,", "self.lr * 30,"),
    "stage2": ("tavlad/learning/fitting.py", "return float(0.5 **", "return float(0.4 **"),
    "evaluate": ("tavlad/learning/scoring.py", "empty = 1 - len", "empty = 2 - len"),
}


@pytest.mark.parametrize("stage", VALUES)
def test_a_changed_value_is_computed_and_an_old_result_is_not_published_for_it(ready, stage):
    """It happened: pipeline/stage1.py asked for thirty times the rate, and the old model was published."""
    name = next(name for name in documents(ready) if name.split("@")[0] == stage)
    before, outs = entries(ready, stage), [ready.folder / out["path"] for out in documents(ready)[name]["outs"]]
    old = [digests(out) for out in outs]
    try:
        with changed(ready, VALUES[stage]):
            ready.run("python", "-m", "pipeline.check", "data/code", "--split", "split1")
            ready.run(*shlex.split(documents(ready)[name]["cmd"]))
        new = [digests(out) for out in outs]
    finally:
        ready.run("dvc", "checkout", "--force", "-q")
    made = entries(ready, stage).keys() - before.keys()
    assert len(made) == {"decode": CLIPS, "extract": CLIPS, "evaluate": 2}.get(stage, 1)
    assert new != old and [digests(out) for out in outs] == old


def digests(output: Path) -> dict[str, str]:
    files = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    return {str(file.relative_to(output)): file_digest(file) for file in files}


def test_a_comment_changes_nothing_that_costs(ready):
    """Check alone runs: no digest has changed."""
    store = ready.folder / "data" / ".store"

    def results() -> dict[Path, int]:
        return {path: path.stat().st_ino for path in store.glob("*/*/*")}

    def outputs() -> dict:
        return {name: stage["outs"] for name, stage in documents(ready).items()}

    before, published = results(), outputs()
    with changed(ready):
        for room in ("pipeline", "tavlad"):
            for file in filter(lambda path: path.stat().st_size, (ready.folder / room).rglob("*.py")):
                file.write_text(file.read_text().replace('"""', '"""Said anew: ', 1) + "# a comment\n")
        assert ran(ready.run("dvc", "repro", "evaluate").stdout) == {"check"}
        assert outputs() == published
    assert results() == before and {path.parts[-3] for path in before} >= {"codebook", "stage1", "stage2", "evaluate"}

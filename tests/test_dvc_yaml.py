"""dvc.yaml says what is true: the digest and the parameters that it names for a stage are of what the stage uses."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import code
from tavlad.params import Section, read_yaml
from tavlad.store.recipes import closure

ROOT = Path(__file__).parents[1]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]

LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in ("pipeline", "tavlad") and getattr(module, "__file__", None):
        print(name, module.__file__)
"""


def imported(stage: str) -> set[str]:
    """The modules that the digest of a stage's code is of."""
    return set(closure(f"pipeline.{stage}", silent=()))


@pytest.mark.whole
@pytest.mark.parametrize("stage", code.STAGES)
def test_the_digest_is_of_all_that_python_loads_and_no_more(stage):
    command = [sys.executable, "-c", LOADED, *imported(stage)]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    loaded = {name for name, file in (line.split(" ", 1) for line in lines) if Path(file).stat().st_size}
    assert loaded == imported(stage)


def test_stages_see_their_code_as_a_digest_and_no_file_of_it():
    assert list(STAGES) == ["check", *code.STAGES] and STAGES["check"]["deps"] == ["pipeline", "tavlad"]
    for stage in code.STAGES:
        file = f"data/code/{stage}.txt"
        assert STAGES[stage]["deps"][0] == STAGES[stage]["cmd"].split()[3] == file
        assert not [dep for dep in STAGES[stage]["deps"] if dep.startswith(("pipeline", "tavlad"))]


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_that_decide_values(stage):
    if stage == "check":
        assert STAGES[stage]["params"] == [{"params.yaml": None}]  # it checks the whole file
        return
    module = importlib.import_module(f"pipeline.{stage}")
    sections = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Section)]
    used = set()
    for section in sections:
        if "section" in vars(section):
            used |= {section.section} | (set(section.shared) - set(section.silent))
    if stage == "decode":  # of its section dataset it needs to know where the videos lie, and no more
        used = used - {"dataset"} | {"dataset.root"}
    # of the silent keys, those of the section itself come with it; device and workers never make a stage stale
    assert set(STAGES[stage].get("params", [])) == used


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_runs_the_module_of_its_stage(stage):
    assert STAGES[stage]["cmd"].split()[:3] == ["python", "-m", f"pipeline.{stage}"]
    assert (ROOT / "pipeline" / f"{stage}.py").exists()


def test_stage_1_reads_no_frame():
    assert not any(name.startswith("tavlad.video.") for name in imported("stage1") | imported("codebook"))


def test_every_output_is_ignored_by_git_up_front():
    """A failed `dvc repro` takes back the lines that it added to .gitignore itself."""
    ignored = (ROOT / ".gitignore").read_text().split()
    for name, stage in STAGES.items():
        for output in stage["outs"]:
            assert "/" + "/".join(output.split("/")[:2]) in ignored, name
    assert "/data/raw" in ignored and "data/" not in ignored


def test_the_model_room_is_pure():
    for path in (ROOT / "tavlad" / "model").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"h5py", "av"}, path
            assert "tavlad.params" not in names, path


def test_only_the_video_room_imports_av():
    for path in (ROOT / "tavlad").rglob("*.py"):
        if path.parent.name != "video":
            tree = ast.parse(path.read_text())
            names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            names |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            assert "av" not in names, path

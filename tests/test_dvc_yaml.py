"""dvc.yaml says what is true: the code and the parameters that it names for a stage are what the stage uses."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tavlad.params import Section, read_yaml

ROOT = Path(__file__).parents[1]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]

LOADED = """
import sys, pipeline.{stage}
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in ("pipeline", "tavlad") and getattr(module, "__file__", None):
        print(module.__file__)
"""


def code_deps(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith(("pipeline/", "tavlad/"))}


def loaded(stage: str) -> set[str]:
    """What Python really loads with the stage's module, but for empty files."""
    command = [sys.executable, "-c", LOADED.format(stage=stage)]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    paths = [Path(file) for file in files if file]
    return {str(path.relative_to(ROOT)) for path in paths if path.stat().st_size}


def written(stage: str) -> set[str]:
    """What the sources say: imports followed by syntax, so those inside functions too."""
    waiting, found = [f"pipeline.{stage}"], set()
    while waiting:
        path = ROOT.joinpath(*waiting.pop().split(".")).with_suffix(".py")
        name = str(path.relative_to(ROOT))
        if name in found or not path.exists():
            continue
        found.add(name)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found | {"pipeline/__init__.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_import_closure_and_no_more(stage):
    assert code_deps(stage) == loaded(stage) | written(stage), "correct the deps of this stage in dvc.yaml"


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_that_decide_values(stage):
    if stage == "params":
        assert STAGES[stage]["params"] == [{"params.yaml": None}]  # it checks the whole file
        return
    module = importlib.import_module(f"pipeline.{stage}")
    sections = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Section)]
    used = set()
    for section in sections:
        if section is not Section:
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
    assert not any(name.startswith("tavlad/video/") for name in code_deps("stage1") | code_deps("codebook"))


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

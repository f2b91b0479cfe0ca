"""What a stage loads before it computes, counted in another process: a second of each `dvc repro` for a library."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCHVISION = ["torch", "torch._dynamo", "torchvision"]  # it takes as long to load as torch alone
LOAD = """
import ast, importlib, sys
heavy = {"av", "dvc", "h5py", "matplotlib", "scipy", "sklearn", "torch", "torch._dynamo", "torchvision"}
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for node in ast.walk(ast.parse(open(module.__file__).read())):
        if isinstance(node, ast.FunctionDef):
            for line in node.body:
                if isinstance(line, (ast.Import, ast.ImportFrom)):
                    exec(ast.unparse(line))
print(*sorted(heavy & {*sys.modules}))
"""


@pytest.mark.parametrize(
    ("modules", "loaded"),
    [
        (["pipeline.check", "pipeline.index"], []),
        (["pipeline.demo", "pipeline.decode"], ["av", "h5py"]),
        (["pipeline.summary"], ["h5py", "matplotlib"]),
        (["pipeline.codebook", "pipeline.stage1"], ["h5py", "torch"]),
        (["pipeline.backbone", "pipeline.extract", "pipeline.stage2"], ["h5py", *TORCHVISION]),
        (["pipeline.evaluate"], ["h5py", "matplotlib", *TORCHVISION]),
        (["tavlad.commands.predict"], ["av", "h5py", *TORCHVISION]),
    ],
    ids=lambda names: "-".join(name.rpartition(".")[2] for name in names),
)
def test_only_what_is_needed_is_loaded(modules: list[str], loaded: list[str]) -> None:
    command = [sys.executable, "-c", LOAD, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == loaded


def test_determinism_loads_no_compiler() -> None:
    code = """
import sys, torch
from tavlad import device
device.make_deterministic()
print(torch.are_deterministic_algorithms_enabled(), "torch._inductor" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"

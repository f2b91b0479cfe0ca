"""Who may work, what an actor takes, and what is said without Ray."""

import ast
import os
import sys
from pathlib import Path

import pytest

from tavlad.cluster.node import described, inputs_of, moved
from tavlad.cluster.nodes import Slice, difference_of
from tavlad.cluster.session import Cluster, connected
from tavlad.errors import InputError
from tavlad.store.inputs import Input
from tavlad.video.decode import Sampling, Video

ROOT = Path(__file__).parents[2]
MINE = {"the code of tavlad": "c0de", "av": "18.0", "processor": "Xeon", "GPU": "none", "precision": "bfloat16"}


@pytest.mark.parametrize(
    ("there", "mixed", "said"),
    [
        (MINE, False, ""),
        ({**MINE, "av": "17.0"}, True, "av is 17.0 there, 18.0 here"),
        ({**MINE, "the code of tavlad": "old"}, True, "the code of tavlad is old there, c0de here"),
        ({**MINE, "precision": "float32"}, True, "precision is float32 there, bfloat16 here"),
        ({**MINE, "processor": "EPYC"}, True, ""),
        ({**MINE, "GPU": "H100", "processor": "EPYC"}, True, ""),
        ({"av": "18.0"}, True, "the code of tavlad is missing there, c0de here; precision is missing there"),
    ],
)
def test_what_may_differ_and_what_may_not(there: dict[str, str], mixed: bool, said: str) -> None:
    assert difference_of(there, MINE, mixed).startswith(said) and bool(difference_of(there, MINE, mixed)) == bool(said)


def test_another_processor_is_refused_with_the_way_out() -> None:
    reason = difference_of({**MINE, "processor": "EPYC"}, MINE, False)
    assert reason.startswith("processor is EPYC there, Xeon here. ray.mixed: true lets")


def test_what_is_compared_is_what_recipes_hold_and_what_rounds() -> None:
    frames = described("tavlad.video.decode", "", False)
    assert {"the code of tavlad", "Python", "av", "h5py", "numpy", "processor"} <= frames.keys()
    assert not {"torch", "precision", "GPU"} & frames.keys()
    maps = described("tavlad.features.extraction", "float32", False)
    assert maps["precision"] == "float32" and maps["GPU"] == "none" and "torch" in maps


@pytest.mark.parametrize(
    ("resources", "actors"),
    [({"CPU": 9.0}, 4), ({"CPU": 1.0}, 0), ({}, 0), ({"CPU": 9.0, "GPU": 2.0}, 4)],
)
def test_as_many_actors_as_fit(resources: dict[str, float], actors: int) -> None:
    assert Slice(2, 0, 3).fits(resources) == actors
    assert Slice(2, 0.5, 3).fits(resources) == (min(actors, 4) if "GPU" in resources else 0)


def test_the_inputs_of_a_clip_are_found_and_moved() -> None:
    video = Video("a", Input(Path("there.avi"), "d"))
    assert inputs_of(video) == {"file": video.file} and inputs_of(Sampling(1, 2, 3)) == {}
    assert moved(video, {"file": Path("here.avi")}) == Video("a", Input(Path("here.avi"), "d"))


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(os, "environ", {})
    words = r"pip install -e '\.\[cluster\]', or set engine: local"
    with pytest.raises(InputError, match=words), connected(Cluster("", False), 1, {}):
        pass


def test_nothing_else_imports_ray() -> None:
    for file in [*(ROOT / "tavlad").rglob("*.py"), *(ROOT / "pipeline").rglob("*.py")]:
        nodes = [*ast.walk(ast.parse(file.read_text()))]
        names = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        if file.parent.name != "cluster":
            assert "ray" not in {name.split(".")[0] for name in names}, file

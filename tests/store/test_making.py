"""Making entries of the store: what is in a key, what is found, what is made, who waits for whom."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tavlad.store import making, recipes
from tavlad.store.making import Place, made, made_all
from tavlad.store.store import Store

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Rate:
    lr: float
    steps: int = 3


@dataclass(frozen=True)
class Speed:
    device: str
    workers: int


def train(place: Place, rate: Rate, speed: Speed | None) -> None:
    kept = place.kept()
    done = int(kept.read_text()) if kept else 0
    for step in range(done, rate.steps):
        if step == rate.steps - 1 and speed and speed.device == "broken":
            raise RuntimeError("killed")
        with place.keep() as aside:
            aside.write_text(str(step + 1))
    place.path.write_text(f"{rate.lr} from {done}, {place.key}")


def many(common: float, places: Iterable[tuple[Place, str]], speed: None) -> Iterator[tuple[Place, str]]:
    for place, text in places:
        if text == "bad":
            yield place, "is bad"
        else:
            place.path.write_text(f"{place.key} {text} {common}")
            yield place, ""


def key_of(entry: Path) -> str:
    return entry.read_text().split()[0]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(
        making, "made_by", lambda module: {"code": module}
    )  # tests are not part of the code that keys cover
    return Store(tmp_path / "store")


def test_every_argument_is_in_the_key_and_speed_is_not(store):
    first = made(store, "stage1", train, Rate(0.1), Speed("cpu", 1))
    assert first.new and first.path.read_text() == f"0.1 from 0, {first.key}"
    again = made(store, "stage1", train, Rate(0.1), Speed("cuda", 7))
    assert not again.new and again.path == first.path
    others = [made(store, "stage1", train, rate, None) for rate in (Rate(0.1 * 30), Rate(0.1, 4))]
    assert all(one.new for one in others) and len({first.key, *(one.key for one in others)}) == 3


def test_changed_code_changes_the_key(store, monkeypatch):
    first = made(store, "stage1", train, Rate(0.1), None)
    monkeypatch.setattr(making, "made_by", lambda module: {"code": f"{module}, changed"})
    assert made(store, "stage1", train, Rate(0.1), None).key != first.key


def test_the_note_says_device_threads_and_processor(store):
    one = made(store, "stage1", train, Rate(0.1), Speed("cuda:0", 2))
    facts = json.loads((store.root / "notes" / "stage1" / one.key[:2] / f"{one.key}.json").read_text())["made"]
    assert facts["device"] == "cuda:0" and facts["workers"] == "2"
    assert {"threads", "processor", "host"} < facts.keys()


def test_a_kept_state_is_resumed_from_and_then_discarded(store):
    with pytest.raises(RuntimeError, match="killed"):
        made(store, "stage1", train, Rate(0.1), Speed("broken", 1))
    assert [stage for stage, _ in store.entries()] == ["stage1-epoch"]
    assert made(store, "stage1", train, Rate(0.1), None).path.read_text().startswith("0.1 from 2")
    assert [stage for stage, _ in store.entries()] == ["stage1"]


def test_found_entries_come_first_and_a_failure_affects_no_other(store):
    each = {"a": "one", "b": "bad", "c": "three"}
    results = list(made_all(store, "decode", many, 1.5, each, None, key_of))
    assert [(one.name, one.new, one.reason) for one in results] == [
        ("a", True, ""),
        ("b", False, "is bad"),
        ("c", True, ""),
    ]
    each["b"] = "two"
    results = list(made_all(store, "decode", many, 1.5, each, None, key_of))
    assert [(one.name, one.new) for one in results] == [("a", False), ("c", False), ("b", True)]
    assert all(one.path.read_text().endswith(f"{each[one.name]} 1.5") for one in results)
    assert all(one.new for one in made_all(store, "decode", many, 2.5, each, None, key_of))


WAITING = """
import sys
from pathlib import Path
from tavlad.store import making
from tavlad.store.store import Store
making.made_by = lambda module: {}
def make(place, arguments, speed):
    print("making", flush=True)
    sys.stdin.readline()
    place.path.write_text("x")
making.made(Store(Path(sys.argv[1])), "stage1", make, sys.argv[2], None)
"""


def test_two_trainings_of_different_recipes_do_not_wait_for_each_other(tmp_path):
    def start(recipe: str) -> subprocess.Popen[Any]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", WAITING, str(tmp_path), recipe], stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT
        )

    first, other = start("one"), start("other")
    assert first.stdout.readline() == other.stdout.readline() == b"making\n"
    same = start("one")
    assert b"another process is running 'stage1'" in same.stderr.readline()
    for process in (first, other):
        process.communicate(b"\n")
        assert process.returncode == 0
    assert same.communicate()[0] == b"" and same.returncode == 0  # it found the entry that the first had made


def test_the_key_of_a_real_maker_holds_its_code_and_its_libraries():
    recipe = recipes.made_by("tavlad.learning.stage1")
    assert len(recipe["code"]) == 64 and {"torch", "numpy", "safetensors"} < recipe["versions"].keys()

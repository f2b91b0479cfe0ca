"""The benchmarks run from end to end and label every row; times are not tested."""

import json
import math

import pytest

from benchmarks import bench, scale
from benchmarks.commands import commands, repro, stand_in
from benchmarks.place import Sizes
from benchmarks.records import keep
from benchmarks.timing import Part, Row, best_of

TINY = Sizes(
    videos=1,
    length=12,
    decoded=2,
    plain=1,
    clips=2,
    sampled=4,
    trained=2,
    tuned=2,
    predicted=1,
    classes=3,
    stand_ins=2,
    product=64,
    changes=(
        ("frames", 3),
        ("short_side", 64),
        ("crop", 64),
        ("clusters", 4),
        ("hidden", 8),
        ("extract", {"views": 2}),
        ("stage1", {"batch": 2}),
    ),
)
NAMES = ["decode", "scale + JPEG", "reading frames", "precision", "extract", "cache write", "cache read"]
NAMES += ["codebook sampling", "codebook sampling", "stage 1 step", "stage 2 step", "evaluating a clip"]


@pytest.mark.whole
def test_every_row_has_a_floor(tmp_path, capsys):
    file = tmp_path / "results.jsonl"
    in_process = [part for part in bench.PARTS if part is not commands]  # each call of DVC takes seconds
    assert bench.measure(TINY, 1, file, in_process) == len(NAMES)
    printed = capsys.readouterr().out
    [line] = map(json.loads, file.read_text().splitlines())
    assert {"what", "machine", "commit", "changed", "versions", "load", "floors", "runs", "rows"} <= line.keys()
    assert {"processor", "cores", "threads", "gpu"} <= line["machine"].keys()
    assert {"torch", "av", "h5py", "numpy", "python"} <= line["versions"].keys()
    for name, row in zip(NAMES, line["rows"], strict=True):
        assert row["name"].startswith(name) and row["name"] in printed and row["floor_is"] in printed
        assert all(math.isfinite(row[key]) and row[key] > 0 for key in ("achieved", "floor", "ratio")), row
        assert row["unit"] in ("clips/s", "frames/s", "MB/s", "s")
        assert (row["instead"] is None) == (not row["instead_is"])
    assert all(math.isfinite(value) and value > 0 for value in line["floors"].values())


def test_a_ratio_compares_the_best_times():
    times = {"work": iter((4.0, 2.0)), "bare": iter((1.0, 3.0))}
    part = Part({name: (lambda turn=turn: next(turn)) for name, turn in times.items()})
    best = best_of([part], 2, lambda done, name: None)
    assert best == {"work": 2.0, "bare": 1.0}
    rate = Row("x", "clips/s", 10, lambda best: best["work"], lambda best: best["bare"], "bare")
    seconds = Row("x", "s", 10, lambda best: best["work"], lambda best: best["bare"], "bare")
    assert (rate.judged(best).achieved, rate.judged(best).floor, rate.judged(best).ratio) == (5.0, 10.0, 0.5)
    assert (seconds.judged(best).achieved, seconds.judged(best).floor, seconds.judged(best).ratio) == (2.0, 1.0, 0.5)


def test_a_machine_and_commit_have_one_line(tmp_path):
    file, marks = (
        tmp_path / "results.jsonl",
        {"what": "bench", "machine": {"cores": 2}, "commit": "a", "changed": False},
    )
    for change, seconds in (({}, 1), ({"commit": "b"}, 2), ({"machine": {"cores": 4}}, 3), ({}, 4), ({"what": "x"}, 5)):
        keep(file, {**marks, **change, "seconds": seconds})
    assert [json.loads(line)["seconds"] for line in file.read_text().splitlines()] == [2, 3, 4, 5]


@pytest.mark.whole
def test_stand_ins_go_through_stages(tmp_path, capsys):
    runs = [run for run in scale.RUNS if run[0] in ("index", "decode")]
    scale.measure((12,), tmp_path / "results.jsonl", runs)
    [line] = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert [(row["stage"], row["clips"]) for row in line["rows"]] == [("index", 12), ("decode", 12)]
    assert all(row["seconds"] > 0 and row["bytes"] > 10e6 for row in line["rows"])
    assert "decode" in capsys.readouterr().out


@pytest.mark.whole
def test_dvc_finds_nothing_to_do_for_the_stand_in(tmp_path):
    stand_in(tmp_path / "project", 2)
    repro(tmp_path / "project")

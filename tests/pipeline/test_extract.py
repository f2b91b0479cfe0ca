"""The stage `extract` as it is called: what it writes, what it reuses, what a kill costs, how it fails."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from pipeline.extract import main
from tavlad.data.table import Clip, write_clips
from tavlad.features import extraction
from tavlad.features.backbone import write_backbone
from tavlad.features.cache import read_maps, read_maps_recipe, read_shape
from tavlad.features.weights import random_weights
from tavlad.video.frames import DecodedClip, write_frames
from tests.stages import LOCAL, own_code

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["clips.csv", "frames", "backbone.safetensors", "features"]
PARAMS = """
extract: {{views: {views}, seed: 1, batch: {batch}}}
crop: 64
features: relu
precision: float32
deterministic: true
device: cpu
workers: {workers}
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    write_backbone(path, random_weights("resnet34", 1, 255 * torch.rand(4, 3, 64, 64)), "random")
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    (tmp_path / "backbone.safetensors").symlink_to(weights)
    make_clips([f"{label}/v {number}" for label in ("one", "two") for number in range(3)])
    return tmp_path


def make_clips(ids: list[str]) -> None:
    for seed, clip_id in enumerate(ids):
        make_frames(clip_id, seed, f"recipe of {clip_id}")
    write_clips(Path("clips.csv"), [Clip(one, f"{one}.avi", one[:3], one, "d", "present") for one in ids])


def make_frames(clip_id: str, seed: int, recipe: str, side: int = 64) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, side, 80, 3), dtype=np.uint8)
    decoded = DecodedClip(pixels, [0, 1, 2, 3], [0.0] * 4, 25.0, 4, 4, 0, 4, 0, 80, side, False, 0, 0, "test", "test")
    path = Path("frames", f"{clip_id}.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_frames(path, clip_id, decoded, 95, recipe)


def run(views: int = 2, batch: int = 5, workers: int = 1) -> Result:
    Path("params.yaml").write_text(LOCAL + PARAMS.format(views=views, batch=batch, workers=workers))
    return CliRunner().invoke(main, [own_code("extract"), *ARGUMENTS])


def written() -> dict[str, bytes]:
    return {str(path.relative_to("features")): path.read_bytes() for path in sorted(Path("features").rglob("*.h5"))}


def test_writes_a_file_per_clip_and_one_line(project: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("extract: 6 clips (6 new), 2 views, ") and result.stdout.count("\n") == 1
    assert list(written()) == [f"{label}/v {number}.h5" for label in ("one", "two") for number in range(3)]
    path = Path("features/one/v 0.h5")
    assert read_shape(path) == (2, 4, 512, 2, 2)
    assert not np.array_equal(read_maps(path, 0), read_maps(path, 1))
    with h5py.File(path, "r") as file:
        made_by = json.loads(file.attrs["made_by"])
    expected = {"views": 2, "seed": 1, "crop": 64, "features": "relu", "precision": "float32", "deterministic": True}
    assert made_by["params"] == expected
    assert len(made_by["backbone"]) == 64
    facts = json.loads((project / "store/timings.jsonl").read_text().splitlines()[-1])
    assert facts["stage"] == "extract" and facts["frames"] == 6 * 2 * 4


def test_deterministic_reaches_the_network(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    clip_maps = extraction.clip_maps

    def watched(*arguments: Any) -> np.ndarray:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return clip_maps(*arguments)

    monkeypatch.setattr(extraction, "clip_maps", watched)
    torch.use_deterministic_algorithms(False)
    try:
        assert run().exit_code == 0
        assert seen == [True] * 6 and not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)


def test_only_what_decides_a_clip_computes_it_again(project: Path) -> None:
    assert run().exit_code == 0
    before = written()
    assert "(0 new)" in run(batch=64, workers=3).stdout
    make_frames("one/v 1", 99, "another recipe")
    assert "(1 new)" in run().stdout
    after = written()
    assert {name for name in after if after[name] != before[name]} == {"one/v 1.h5"}
    assert "(6 new), 1 view, " in run(views=1).stdout
    assert "(0 new)" in run().stdout
    assert written() == after


def test_maps_of_another_recipe_are_not_taken(project: Path) -> None:
    """Without a note of their bytes they still say what made them."""
    assert run().exit_code == 0
    before = written()
    first, second = sorted((project / "store/extract").glob("*/*"))[:2]
    first.unlink()
    os.link(second, first)
    for note in (project / "store/notes/extract").glob("*/*"):
        note.unlink()
    result = run()
    assert result.exit_code == 0 and "(1 new)" in result.stdout
    assert "another recipe" in result.stderr and str(first) in result.stderr
    assert written() == before


def test_bytes_depend_neither_on_workers_nor_on_what_was_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run().exit_code == 0
    before = written()
    monkeypatch.setenv("TAVLAD_STORE", str(project / "other"))
    make_clips(["two/v 1"])
    make_frames("two/v 1", 4, "recipe of two/v 1")
    assert run(workers=0, batch=64).exit_code == 0
    assert written() == {"two/v 1.h5": before["two/v 1.h5"]}


def test_all_bad_clips_are_named_and_good_work_is_kept(project: Path) -> None:
    make_frames("one/v 0", 0, "too small", side=48)
    damaged = Path("frames/two/v 2.h5")
    with h5py.File(damaged, "r") as file:
        where = file["jpeg"].id.get_chunk_info(0).byte_offset
    data = bytearray(damaged.read_bytes())
    data[where : where + 4] = b"zero"
    damaged.unlink()
    damaged.write_bytes(data)
    result = run()
    assert result.exit_code == 1
    assert "one/v 0" in result.stderr and "does not fit into frames of 80x48" in result.stderr
    assert "two/v 2" in result.stderr and "two/v 1" not in result.stderr
    make_frames("one/v 0", 0, "repaired")
    make_frames("two/v 2", 5, "repaired")
    assert "6 clips (2 new)" in run().stdout


def test_clips_without_frames_are_all_named(project: Path) -> None:
    Path("frames/one/v 0.h5").unlink()
    Path("frames/two/v 0.h5").write_text("no HDF5")
    result = run()
    assert result.exit_code == 1 and not Path("features").exists()
    assert "one/v 0" in result.stderr and "two/v 0" in result.stderr and "dvc repro" in result.stderr


def stored_files(store: Path) -> Iterator[Path]:
    yield from (path for path in store.glob("extract/*/*") if path.is_file())


def test_a_kill_costs_only_what_was_not_finished(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 30
    make_clips([f"clip{number}" for number in range(count)])
    Path("params.yaml").write_text(LOCAL + PARAMS.format(views=2, batch=5, workers=1))
    command = [sys.executable, "-m", "pipeline.extract", own_code("extract"), *ARGUMENTS]
    killed = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    while len(list(stored_files(project / "store"))) < 3 and killed.poll() is None:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in stored_files(project / "store")}
    assert 3 <= len(before) < count
    result = run(views=2)
    assert f"{count} clips ({count - len(before)} new)" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    after = written()
    monkeypatch.setenv("TAVLAD_STORE", str(project / "other"))
    assert f"({count} new)" in run(views=2).stdout
    assert written() == after and all(read_maps_recipe(path) for path in Path("features").rglob("*.h5"))

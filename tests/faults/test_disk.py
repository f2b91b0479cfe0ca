"""Disks that are full, read-only, on another file system or gone: named in the error, and no good work is lost."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.extract import frames_of
from tavlad.data.table import read_clips
from tavlad.errors import TavladError
from tavlad.features import extraction
from tavlad.features.cache import read_maps_recipe
from tavlad.learning.checkpoints import EpochState, Progress
from tavlad.store import integrity
from tavlad.store.inputs import Input
from tavlad.store.making import Place, made_all, publish
from tavlad.store.store import Store
from tavlad.video.batch import decode_all
from tavlad.video.decode import Limits, Sampling
from tests.faults.disk import configure, decode, fill, film, index, inodes, mounted, unfinished

pytestmark = pytest.mark.whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(2):
        film(tmp_path / f"raw/class/{number}.avi", 10, 30 * number)
    configure(tmp_path)
    index(tmp_path)
    return tmp_path


def test_decode_stops_before_the_disk_is_full_and_resumes_when_there_is_space(folder):
    with mounted(folder / "disk", "size=80m") as disk:
        assert decode(folder, disk / "store")[0] == 0
        good = inodes(disk / "store")
        film(folder / "raw/class/new.avi", 10, 90)
        index(folder)
        filler = fill(disk, integrity.RESERVE // 2)
        status, _, errors = decode(folder, disk / "store")
        assert status == 1 and "No space left on device" in errors and str(disk / "store") in errors
        assert "Free some space" in errors and "cannot be used" not in errors  # no clip is at fault
        assert inodes(disk / "store") == good
        filler.unlink()
        assert "(1 new)" in decode(folder, disk / "store")[1]
        assert good.items() <= inodes(disk / "store").items() and unfinished(disk / "store") == []


def test_a_quota_is_reported_as_such_and_not_as_a_bad_clip(folder):
    status, _, errors = decode(folder, folder / "store", bytes_a_file=1000)
    assert status == 1 and "File too large" in errors and "cannot be used" not in errors
    assert inodes(folder / "store") == {}
    assert "(2 new)" in decode(folder, folder / "store")[1] and unfinished(folder / "store") == []


def test_extract_stops_before_the_disk_is_full(folder, monkeypatch):
    """If HDF5 wrote the file itself, the process might crash."""
    assert decode(folder, folder / "store")[0] == 0
    monkeypatch.setattr(extraction, "clip_maps", lambda *_: np.zeros((1, 4, 2, 3, 3), np.float16))
    monkeypatch.setattr(extraction, "load_backbone", lambda _: {})
    monkeypatch.setattr(extraction, "folded_backbone", lambda *_: torch.nn.Identity())
    wanted = extraction.Extraction(Input(folder, "backbone"), "relu", "float32", False, 1, 0, 16)
    passes, frames = extraction.Passes(torch.device("cpu"), 4, 1), frames_of(["class/0", "class/1"], folder / "frames")

    def extract(count: int) -> list[bool]:
        each = dict(list(frames.items())[:count])
        return [
            one.new for one in made_all(store, "extract", extraction.make_maps, wanted, each, passes, read_maps_recipe)
        ]

    with mounted(folder / "disk", "size=80m") as disk:
        store = Store(disk / "store")
        assert extract(1) == [True]
        filler = fill(disk, integrity.RESERVE // 2)
        with pytest.raises(TavladError, match="No space left on device"):
            extract(2)
        assert unfinished(store.root) == []
        filler.unlink()
        assert extract(2) == [False, True]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOLCK, errno.EMFILE])
def test_a_failing_disk_is_not_blamed_on_a_clip(folder, monkeypatch, number):
    assert decode(folder, folder / "store")[0] == 0
    monkeypatch.setattr(extraction, "load_backbone", lambda _: {})
    monkeypatch.setattr(extraction, "folded_backbone", lambda *_: torch.nn.Identity())

    def fail(path: Path) -> np.ndarray:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(extraction, "load_frames", fail)
    wanted = extraction.Extraction(Input(folder, "backbone"), "relu", "float32", False, 1, 0, 16)
    passes, frames = extraction.Passes(torch.device("cpu"), 4, 1), frames_of(["class/0", "class/1"], folder / "frames")
    results = made_all(
        Store(folder / "store"), "extract", extraction.make_maps, wanted, frames, passes, read_maps_recipe
    )
    with pytest.raises(TavladError, match=f"{os.strerror(number)}.*run the stage again"):
        list(results)


def test_a_checkpoint_that_does_not_fit_keeps_the_previous_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(integrity, "RESERVE", 0)  # the disk fills up while the file is written
    weight = torch.nn.Parameter(torch.zeros(1 << 18))  # 1 MiB
    optimiser = torch.optim.Adam([weight])
    with mounted(tmp_path / "disk", "size=3m") as disk:
        store = Store(disk)
        state = EpochState(Place(store, "stage1", "ab12", store.aside()))
        state.save(Progress([{"loss": 1.0}]), {"weight": weight}, optimiser)
        kept = inodes(disk)
        weight.data += 1
        weight.sum().backward()
        optimiser.step()  # now includes Adam's moments: 3 MiB
        with pytest.raises(TavladError, match="No space left on device"):
            state.save(Progress([{"loss": 1.0}, {"loss": 0.5}]), {"weight": weight}, optimiser)
        assert inodes(disk) == kept and unfinished(disk) == []
        assert state.load({"weight": weight}, optimiser).curve == [{"loss": 1.0}] and not weight.any()


def test_an_output_that_cannot_be_written_is_named(folder):
    with mounted(folder / "disk", "ro") as disk:
        status, _, errors = decode(folder, folder / "store", disk / "frames")
    assert status == 1 and f"Read-only file system: '{disk}/frames'" in errors and "make the folder writable" in errors
    assert "Traceback" not in errors


def test_a_store_that_cannot_be_created_is_named_with_advice(folder):
    (folder / "file").touch()
    status, _, errors = decode(folder, folder / "file" / "store")
    assert status == 1 and f"{folder}/file" in errors and "$TAVLAD_STORE" in errors and "Traceback" not in errors


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(folder):
    (folder / "out").mkdir(mode=0o555)
    status, _, errors = decode(folder, folder / "store", folder / "out" / "frames")
    assert status == 1 and f"{folder}/out/frames" in errors and "Change the permissions" in errors


def test_deleting_the_store_while_decoding_is_reported_and_the_next_run_starts_over(folder):
    store, clips = Store(folder / "store"), read_clips(folder / "clips.csv")
    work = folder / "raw", Sampling(4, 24, 95), Limits(1, 60, 500)
    results = decode_all(store, clips, *work)
    with pytest.raises(TavladError, match=r"deleted during the run.*Run the stage again"):
        next(results)
        shutil.rmtree(store.root, ignore_errors=True)  # a worker may be writing there
        list(results)
    again = Store(folder / "store")
    assert [result.new for result in decode_all(again, clips, *work)] == [True, True]


def test_deleting_the_store_before_publishing_is_reported(tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(TavladError, match="deleted"):
        shutil.rmtree(store.root)
        with store.create("extract", "ab12"):
            pass
    with pytest.raises(TavladError, match="deleted"):
        store.get("extract", "ab12")


def test_a_store_on_another_file_system_gives_the_same_outputs_as_copies(folder):
    assert decode(folder, folder / "store")[0] == 0
    linked = {path.name: path.read_bytes() for path in (folder / "frames").rglob("*.h5")}
    with mounted(folder / "disk", "size=80m") as disk:
        assert "(2 new)" in decode(folder, disk / "store")[1]
        copies = list((folder / "frames").rglob("*.h5"))
        assert {path.name: path.read_bytes() for path in copies} == linked
        assert all(path.stat().st_nlink == 1 for path in copies)
        assert "(0 new)" in decode(folder, disk / "store")[1]


def test_a_copy_that_does_not_fit_leaves_no_partial_output(tmp_path):
    store = Store(tmp_path / "store")
    with store.create("decode", "ab12") as aside:
        aside.write_bytes(bytes(1 << 20))
    with mounted(tmp_path / "disk", "size=256k") as disk:
        with (
            pytest.raises(TavladError, match="No space left on device"),
            store.output("decode", disk / "frames"),
        ):
            publish(store.get("decode", "ab12"), disk / "frames" / "a.h5")
        assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_wrong_clocks_have_no_effect(folder):
    """Inputs with times in the future, entries and outputs from 1970."""
    assert decode(folder, folder / "store")[0] == 0
    before = inodes(folder / "store")
    for path in (folder / "raw").rglob("*.avi"):
        os.utime(path, (2**32, 2**32))
    for path in (*(folder / "store").rglob("*"), *(folder / "frames").rglob("*")):
        os.utime(path, (0, 0))
    index(folder)
    assert "(0 new)" in decode(folder, folder / "store")[1] and inodes(folder / "store") == before

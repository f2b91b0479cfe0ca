"""Reversals of films whose frames say which they are: the very frames of the original, in reverse, and its failures."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from tavlad.data import hashing, indexing
from tavlad.data.reversal import originals
from tavlad.data.selection import Rules
from tavlad.data.table import Clip
from tavlad.store.inputs import Input
from tavlad.store.making import Place, Result
from tavlad.store.store import Store
from tavlad.video.backwards import Original, make_reversals
from tavlad.video.batch import Tally, Tolerance, decode_all
from tavlad.video.decode import Limits, Sampling
from tavlad.video.frames import indices, read_frame_facts, read_frames_file, read_frames_recipe
from tests.video.painted import SIZE, film, numbers, picture

FRAMES = 4
LENGTHS = {"run": (7, 8, 41), "sit": (1, 3, 16)}  # of 8 and 16 frames the sampler takes others when played backwards


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    for start, (label, lengths) in enumerate(LENGTHS.items()):
        (folder / label).mkdir(parents=True)
        for n in lengths:
            film(folder / label / f"{n}.avi", [picture(100 * start + number) for number in range(n)])
    return folder


def index(root: Path, store: Store) -> list[Clip]:
    return hashing.hashed(root, indexing.build_index(root, "folders", Rules(1, reverse=True)).clips, store)


def decoded(root: Path, store: Store, clips: Sequence[Clip], frames: int = FRAMES) -> dict[str, Result]:
    results = list(decode_all(store, clips, root, Sampling(frames, SIZE[0], 95), Limits(1, 60, 500)))
    assert sorted(result.name for result in results) == sorted(clip.id for clip in clips)
    return {result.name: result for result in results}


def test_a_reversal_holds_exactly_the_frames_of_its_original_in_reverse(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    clips = index(root, store)
    made = decoded(root, store, clips)
    files = {name: result.path for name, result in made.items() if result.path and result.new}
    assert len(files) == 12 == len({read_frames_recipe(path) for path in files.values()})
    for one, original in originals(clips).items():
        there, back = files[original], files[one]
        label, length = original.split("/")
        shown = [100 * list(LENGTHS).index(label) + number for number in indices(int(length), FRAMES)]
        assert numbers(read_frames_file(there)) == shown and numbers(read_frames_file(back)) == shown[::-1]
        assert np.array_equal(read_frames_file(back), read_frames_file(there)[::-1])
        facts, known = read_frame_facts(back), read_frame_facts(there)
        for name in ("indices", "pts"):
            assert facts.pop(name) == known.pop(name)[::-1]
        assert facts == known
        with h5py.File(back) as first, h5py.File(there) as second:
            assert first.attrs["clip"] == one and {*first} == {*second} and {*first.attrs} == {*second.attrs}
            assert all(first[name].dtype == second[name].dtype for name in first)
            assert all(first.attrs[name].dtype == second.attrs[name].dtype for name in ("fps", "width", "interlaced"))


def test_each_is_an_entry_of_its_own_and_made_once(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    clips = index(root, store)
    before = decoded(root, store, clips)
    again = decoded(root, store, clips)
    assert not any(result.new for result in again.values())
    assert {name: result.path for name, result in again.items()} == {name: one.path for name, one in before.items()}
    name = "run (reversed)/41"
    lost = before[name].path
    assert lost is not None
    whole = lost.read_bytes()
    lost.unlink()
    anew = decoded(root, store, clips)
    assert [one for one, result in anew.items() if result.new] == [name] and lost.read_bytes() == whole
    assert all(result.new for result in decoded(root, store, clips, frames=5).values())


def test_a_reversal_fails_as_its_original_does_and_both_are_named(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (root / "run/8.avi").write_bytes(b"")
    (root / "sit/16.avi").unlink()
    (root / "sit/16.avi").symlink_to("nowhere")
    made = decoded(root, store, index(root, store))
    tally = Tally(Tolerance(2, 0.1, 1))
    for result in made.values():
        tally.add(result)
    reasons = dict(tally.bad)
    for name, reason in {
        "run/8": "the file is empty",
        "sit/16": "is listed, but the file is missing",
        "sit/1": "decodes to only 1 frame, fewer than min_frames: 2",
    }.items():
        label, clip = name.split("/")
        assert reasons.pop(name) == reasons.pop(f"{label} (reversed)/{clip}") == reason
    assert not reasons and tally.good == 6


def test_a_damaged_original_is_made_again_before_it_is_reversed(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    clips = index(root, store)
    before = decoded(root, store, clips)
    entry, reversal = before["run/41"].path, before["run (reversed)/41"].path
    assert entry is not None and reversal is not None
    whole = entry.read_bytes(), reversal.read_bytes()
    for path in (entry, reversal):
        path.unlink()
    damaged = bytearray(whole[0])
    damaged[damaged.index(b"\xff\xd8\xff") + 200] ^= 1  # in the first picture
    entry.write_bytes(damaged)
    anew = decoded(root, store, clips)
    assert {name for name, result in anew.items() if result.new} == {"run/41", "run (reversed)/41"}
    assert (entry.read_bytes(), reversal.read_bytes()) == whole


def test_what_cannot_be_read_fails_alone(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    good = decoded(root, store, index(root, store))["sit/3"].path
    assert good is not None
    (tmp_path / "bad.h5").write_text("no frames")
    sources = {"bad": tmp_path / "bad.h5", "good": good}
    places = (
        (Place(store, "decode", name, tmp_path / name), Original(name, Input(path, "")))
        for name, path in sources.items()
    )
    reasons = {place.key: reason for place, reason in make_reversals(None, places, None)}
    assert "bad.h5 cannot be read" in reasons["bad"] and reasons["good"] == ""
    assert numbers(read_frames_file(tmp_path / "good")) == numbers(read_frames_file(good))[::-1]

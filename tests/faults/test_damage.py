"""Files that changed after they were written: named, not used, removed with all their links, and made again."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tavlad.cli import main
from tavlad.store.maintenance import prune_entries, verify_entries
from tavlad.store.making import publish
from tavlad.store.store import Store
from tavlad.video.frames import read_frames_file
from tests.faults.disk import configure, damage, decode, film, flipped, index, inodes


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two file entries, one of which is to be damaged, and a folder entry."""
    opened = Store(tmp_path / "store")
    for key in ("ab12", "cd34"):
        with opened.create("decode", key) as aside:
            aside.write_bytes(os.urandom(1000))
    with opened.create("stage1", "ef56") as aside:
        aside.mkdir()
        (aside / "model").write_bytes(os.urandom(1000))
        (aside / "curve").write_text("epoch\n1\n")
    return opened


DAMAGE = {
    "a flipped bit": (flipped, "has changed since"),
    "truncated": (lambda content: content[:500], "500 bytes, not 1000"),
    "emptied": (lambda content: b"", "0 bytes, not 1000"),
    "grown": (lambda content: content + b"x", "1001 bytes, not 1000"),
    "someone else's": (lambda content: b"mine", "4 bytes, not 1000"),
    "someone else's, as long": (lambda content: os.urandom(1000), "has changed since"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize(("stage", "key", "name"), [("decode", "ab12", "."), ("stage1", "ef56", "model")])
def test_a_damaged_entry_is_named_and_not_used(store, capsys, stage, key, name, kind):
    change, reason = DAMAGE[kind]
    file = store.get(stage, key) / name
    others = {path: inode for path, inode in inodes(store.root).items() if key not in path}
    damage(file, change)
    assert store.find(stage, key) is None
    warning = capsys.readouterr().err
    assert str(file) in warning and reason in warning and "tavlad doctor store" in warning
    assert inodes(store.root) == others
    with store.create(stage, key) as aside:
        aside.write_text("made again")
    assert store.get(stage, key).read_text() == "made again" and store.size()["damaged"][0] == 1
    prune_entries(store, everything=False)
    assert "damaged" not in store.size()


@pytest.mark.parametrize("change", ["lost", "added"])
def test_a_folder_entry_with_a_lost_or_added_file_is_damaged(store, capsys, change):
    folder = store.get("stage1", "ef56")
    (folder / "curve").unlink() if change == "lost" else (folder / "more").touch()
    assert store.find("stage1", "ef56") is None
    assert {"lost": "curve is missing", "added": "more is not part of the entry"}[change] in capsys.readouterr().err


def test_small_results_are_always_read_when_found(store):
    damage(store.get("stage1", "ef56") / "model", flipped, touched=False)
    assert store.find("stage1", "ef56") is None


def test_a_changed_time_alone_is_not_damage(store):
    os.utime(store.get("decode", "ab12"), (0, 0))
    assert store.find("decode", "ab12") is not None


def test_an_entry_without_a_note_is_used(store):
    for note in (store.root / "notes").rglob("*.json"):
        note.unlink() if "ab12" in note.name else note.write_text("[{")  # truncated by a power failure
    assert store.find("decode", "ab12") is not None and store.find("stage1", "ef56") is not None
    assert verify_entries(store, None, store.root).unknown == 3


def test_a_kill_between_note_and_entry_keeps_the_previous_epoch(store, monkeypatch):
    with store.create("stage1-epoch", "ab12") as aside:
        aside.write_text("epoch 1")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    replace = os.replace
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", lambda a, b: killed() if Path(b).name == "ab12" else replace(a, b))
        with store.create("stage1-epoch", "ab12") as aside:
            aside.write_text("epoch 2, longer")
    assert store.get("stage1-epoch", "ab12").read_text() == "epoch 1"


def test_verify_removes_all_links_to_damaged_entries_and_nothing_else(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(store.root))
    cache = tmp_path / "cache"
    monkeypatch.setattr("tavlad.commands.store._dvc_cache", lambda: cache)
    for key in ("ab12", "cd34"):
        entry = store.get("decode", key)
        digest = hashlib.md5(entry.read_bytes()).hexdigest()
        publish(entry, tmp_path / "data" / "frames" / f"{key}.h5")
        publish(entry, cache / digest[:2] / digest[2:])
    good = CliRunner().invoke(main, ["doctor", "store"])
    assert good.exit_code == 0 and "3 entries undamaged, 0 damaged" in good.stdout
    damage(store.get("decode", "ab12"), flipped, touched=False)
    own = tmp_path / "data" / "raw" / "mine.avi"
    publish(store.get("decode", "ab12"), own)
    done = CliRunner().invoke(main, ["doctor", "store"])
    assert done.exit_code == 1 and "ab12" in done.stderr and "has changed" in done.stderr and "dvc repro" in done.stderr
    assert sorted(path.name for path in (tmp_path / "data" / "frames").iterdir()) == ["cd34.h5"]
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 1 and own.exists()
    assert store.find("decode", "ab12") is None and store.find("decode", "cd34") is not None
    assert CliRunner().invoke(main, ["doctor", "store"]).exit_code == 0


def test_verify_names_damaged_dvc_objects_outside_the_store_and_keeps_them(store, tmp_path):
    cache = tmp_path / "cache"
    for content, change in ((b"good", bytes), (b"bad", flipped)):
        digest = hashlib.md5(content).hexdigest()
        (cache / digest[:2]).mkdir(parents=True)
        (cache / digest[:2] / digest[2:]).write_bytes(change(content))
    verdict = verify_entries(store, cache, tmp_path / "data")
    assert [path.parent.name + path.name for path in verdict.objects] == [hashlib.md5(b"bad").hexdigest()]
    assert all(path.exists() for path in verdict.objects)


def test_verify_removes_the_links_to_entries_set_aside_by_a_stage(store, tmp_path):
    publish(store.get("decode", "ab12"), tmp_path / "data" / "a.h5")
    damage(store.get("decode", "ab12"), flipped)
    assert store.find("decode", "ab12") is None and (tmp_path / "data" / "a.h5").exists()
    verdict = verify_entries(store, None, tmp_path / "data")
    assert verdict.damaged and verdict.removed == [tmp_path / "data" / "a.h5"] and "damaged" not in store.size()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(2):
        film(tmp_path / f"raw/class/{number}.avi", 10, 30 * number)
    configure(tmp_path)
    index(tmp_path)
    assert decode(tmp_path, tmp_path / "store")[0] == 0
    return tmp_path


def test_no_flipped_bit_changes_a_frame_undetected(folder):
    path = folder / "frames" / "class" / "1.h5"
    content, expected = path.read_bytes(), read_frames_file(path)
    copy, noticed = folder / "copy.h5", 0
    for place in range(0, len(content), max(1, len(content) // 300)):
        copy.write_bytes(flipped(content, place))
        try:
            assert np.array_equal(read_frames_file(copy), expected), f"byte {place}"
        except ValueError as error:
            assert "copy.h5" in str(error)
            noticed += 1
    assert noticed > 20
    copy.write_bytes(content[:-100])
    with pytest.raises(ValueError, match=r"copy\.h5 cannot be read.*tavlad doctor store.*dvc repro"):
        read_frames_file(copy)


def test_decode_recomputes_only_the_damaged_clip(folder):
    first = min(folder.glob("store/decode/*/*"))
    expected = first.read_bytes()
    damage(first, lambda content: content[: len(content) // 2])
    status, output, errors = decode(folder, folder / "store")
    assert status == 0 and "(1 new)" in output and str(first) in errors
    assert first.read_bytes() == expected


def test_a_frame_file_of_another_recipe_is_not_used(folder):
    """Even without a note, the file itself says what made it."""
    first, second = sorted(folder.glob("store/decode/*/*"))
    expected = first.read_bytes()
    first.unlink()
    os.link(second, first)
    for note in folder.glob("store/notes/decode/*/*"):
        note.unlink()
    status, output, errors = decode(folder, folder / "store")
    assert status == 0 and "(1 new)" in output and "another recipe" in errors and str(first) in errors
    assert first.read_bytes() == expected

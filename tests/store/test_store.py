"""The work store: entries are complete or absent, even after kills."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tavlad.errors import TavladError
from tavlad.store import integrity, locking
from tavlad.store.maintenance import prune_entries
from tavlad.store.making import publish
from tavlad.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, stage, key, text):
    with store.create(stage, key) as aside:
        aside.write_text(text)
    return store.get(stage, key)


def test_an_entry_is_found_once_complete_and_is_read_only(store):
    with store.create("decode", "ab12") as aside:
        aside.write_text("half")
        assert store.find("decode", "ab12") is None
    entry = store.get("decode", "ab12")
    assert entry.read_text() == "half"
    assert entry.stat().st_mode & 0o222 == 0


def test_an_error_leaves_neither_entry_nor_scratch(store):
    with pytest.raises(RuntimeError), store.create("decode", "ab12") as aside:
        aside.write_text("half")
        raise RuntimeError
    assert store.find("decode", "ab12") is None
    with pytest.raises(TavladError, match="deleted"):
        store.get("decode", "ab12")
    assert [path for path in (store.root / "tmp").rglob("*") if path.is_file()] == []


def test_a_folder_entry_is_published_file_by_file_as_links(store, tmp_path):
    with store.create("stage1", "cd34") as aside:
        (aside / "deep").mkdir(parents=True)
        (aside / "deep" / "model").write_text("m")
        (aside / "curve").write_text("c")
    publish(store.get("stage1", "cd34"), tmp_path / "out")
    assert (tmp_path / "out" / "deep" / "model").read_text() == "m"
    assert os.path.samefile(tmp_path / "out" / "curve", store.get("stage1", "cd34") / "curve")


def test_publishing_copies_where_links_fail(store, tmp_path, monkeypatch):
    entry = put(store, "decode", "ab12", "frames")

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    publish(entry, tmp_path / "out" / "a.h5")
    assert (tmp_path / "out" / "a.h5").read_text() == "frames"
    assert not os.path.samefile(tmp_path / "out" / "a.h5", entry)


def test_publishing_replaces_what_was_there_without_writing_into_it(store, tmp_path):
    first, second = put(store, "decode", "ab12", "old"), put(store, "decode", "cd34", "new")
    publish(first, tmp_path / "out")
    publish(second, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "new" and first.read_text() == "old"


def test_a_file_entry_can_be_replaced_and_discarded(store):
    put(store, "stage1-epoch", "ab12", "epoch 1")
    assert put(store, "stage1-epoch", "ab12", "epoch 2").read_text() == "epoch 2"
    store.discard("stage1-epoch", "ab12")
    assert store.find("stage1-epoch", "ab12") is None


WRITER = """
import sys, time
from pathlib import Path
from tavlad.store.store import Store
from tavlad.errors import TavladError
store = Store(Path(sys.argv[1]))
with store.lock("stage"), store.create("decode", "ab12") as aside:
    aside.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_leaves_nothing_behind(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    living = Store(tmp_path)  # opening a second store cleans up, but not what a live process is writing
    assert any(path.is_file() for path in (tmp_path / "tmp").rglob("*"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = Store(tmp_path)
    assert not any(path.is_file() for path in (tmp_path / "tmp").rglob("*"))
    assert store.find("decode", "ab12") is None
    with store.lock("stage"):  # released by the kernel
        put(living, "decode", "ab12", "whole")


def test_a_second_process_waits_for_the_lock_and_says_so(tmp_path):
    Store(tmp_path)
    script, pipe = WRITER.replace("time.sleep(60)", "sys.stdin.read()"), subprocess.PIPE
    first = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=pipe, stdout=pipe)
    assert first.stdout.readline() == b"writing\n"
    waiting = (
        "from pathlib import Path; from tavlad.store.store import Store\nwith Store(Path({!r})).lock('stage'): pass"
    )
    second = subprocess.Popen([sys.executable, "-c", waiting.format(str(tmp_path))], stderr=pipe, text=True)
    assert "waiting" in second.stderr.readline() and second.poll() is None
    first.communicate()
    assert first.returncode == 0 and second.wait() == 0


def test_unused_lock_files_are_removed_and_those_in_use_still_lock(tmp_path):
    store = Store(tmp_path)
    with store.lock("held"), store.lock("freed"):
        assert len(list((tmp_path / "locks").iterdir())) == 2
    assert list((tmp_path / "locks").iterdir()) == []
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    Store(tmp_path)
    assert [path.name for path in (tmp_path / "locks").iterdir()] == ["stage"]
    waiting: list[bool] = []
    waiter = threading.Thread(target=wait_for, args=(tmp_path / "locks" / "stage", waiting))
    waiter.start()
    while not waiting:
        time.sleep(0.01)
    (tmp_path / "locks" / "stage").unlink()  # as if it had been removed between the waiter's opening and locking it
    process.kill()
    process.wait()
    waiter.join(20)
    assert waiting == [True, False]
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    process.kill()
    process.wait()
    assert (tmp_path / "locks" / "stage").exists()
    Store(tmp_path)
    assert list((tmp_path / "locks").iterdir()) == []


def wait_for(file, steps):
    with locking.locked(file, lambda: steps.append(True)):
        steps.append(False)


def test_only_runs_with_the_same_output_wait_for_each_other(store, tmp_path, capsys):
    with store.output("stage1@split1", tmp_path / "one"), store.output("stage1@split1", tmp_path / "two"):
        assert capsys.readouterr().err == ""
        thread = threading.Thread(target=hold, args=(store, tmp_path / "one"))
        thread.start()
        while "another process is running 'stage1@split1'" not in capsys.readouterr().err:
            time.sleep(0.01)
        assert thread.is_alive()
    thread.join(20)
    assert not thread.is_alive()


def hold(store, output):
    with store.output("stage1@split1", output):
        pass


def test_scratch_of_another_machine_is_kept_and_removed_after_a_week(tmp_path, monkeypatch):
    """If locks are local to a machine, a live process on another machine looks dead."""
    Store(tmp_path)
    scratch = tmp_path / "tmp" / "elsewhere-00000000@abc" / "deep"
    scratch.mkdir(parents=True)
    (scratch / "entry").write_text("in flight")
    store = Store(tmp_path)
    prune_entries(store, everything=True)
    assert (scratch / "entry").exists()
    week = 8 * 24 * 3600
    for path in (scratch / "entry", scratch, scratch.parent):
        os.utime(path, (time.time() - week, time.time() - week))
    Store(tmp_path)
    assert (scratch / "entry").exists()  # only on a user's request
    prune_entries(store, everything=False)
    assert not scratch.parent.exists() and store.scratch.exists()


def test_if_two_machines_make_the_same_folder_the_first_is_kept(store, monkeypatch):
    """Without shared locks, the other machine may finish between the check and the rename."""
    write_note = integrity.write_note

    def late(note, aside, described, facts):
        write_note(note, aside, described, facts)
        target = store.root / "stage1" / "ab" / "ab12"
        target.mkdir(parents=True)
        (target / "model").write_text("m")

    monkeypatch.setattr(integrity, "write_note", late)
    with store.create("stage1", "ab12") as aside:
        aside.mkdir()
        (aside / "model").write_text("m")
    assert (store.get("stage1", "ab12") / "model").read_text() == "m"


def test_scratch_that_disappears_while_it_is_checked_counts_as_in_use(tmp_path, monkeypatch):
    scratch = tmp_path / "elsewhere-00000000@abc"
    scratch.mkdir()
    os.utime(scratch, (0, 0))
    monkeypatch.setattr(Path, "rglob", lambda *_: iter([scratch / "gone"]))
    locking.sweep_foreign_folders(tmp_path)
    assert scratch.exists()


def test_a_note_says_on_what_machine_an_entry_was_made(store):
    with store.create("decode", "ab12", {"device": "cpu"}) as aside:
        aside.write_text("x")
    note = json.loads((store.root / "notes" / "decode" / "ab" / "ab12.json").read_text())
    assert note["made"]["host"] == locking.host() and note["made"]["device"] == "cpu" and note["made"]["processor"]


def test_size_and_prune(store, tmp_path):
    put(store, "decode", "ab12", "four")
    publish(put(store, "decode", "cd34", "shared"), tmp_path / "out")
    assert store.size() == {"decode": (2, 10)}
    assert prune_entries(store, everything=False) == (1, 4)
    assert store.find("decode", "cd34") is not None
    assert prune_entries(store, everything=True) == (1, 6)
    assert (tmp_path / "out").read_text() == "shared"


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAVLAD_STORE", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert Store.open().root == tmp_path / "data" / ".store"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "root"))
    assert Store.open().root == tmp_path / "root" / "data" / ".store"
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "mine"))
    assert Store.open().root == tmp_path / "mine"


def test_timings_are_lines_of_json(store):
    store.record("decode", {"seconds": 1.5})
    store.record("extract", {"seconds": 2.5})
    lines = (store.root / "timings.jsonl").read_text().splitlines()
    assert len(lines) == 2 and '"extract"' in lines[1]

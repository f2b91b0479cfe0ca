"""The work store: whole or absent, through kills too; names that follow what decides a value and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tavlad import store as store_module
from tavlad.store import Store, code, digest, file_digest, publish


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, stage, key, text):
    with store.create(stage, key) as aside:
        aside.write_text(text)
    return store.get(stage, key)


def test_an_entry_is_found_after_it_is_whole_and_is_read_only(store):
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
    with pytest.raises(KeyError, match="deleted"):
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
from types import ModuleType
from tavlad.store import Store
store = Store(Path(sys.argv[1]))
with store.lock("stage"), store.create("decode", "ab12") as aside:
    aside.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_leaves_nothing_behind(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    living = Store(tmp_path)  # opening a second store sweeps, but not what a living process writes
    assert any(path.is_file() for path in (tmp_path / "tmp").rglob("*"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = Store(tmp_path)
    assert not any(path.is_file() for path in (tmp_path / "tmp").rglob("*"))
    assert store.find("decode", "ab12") is None
    with store.lock("stage"):  # freed by the kernel
        put(living, "decode", "ab12", "whole")


def test_a_second_process_waits_for_the_lock_and_says_so(tmp_path):
    Store(tmp_path)
    script = WRITER.replace("time.sleep(60)", "time.sleep(1)")
    first = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert first.stdout.readline() == b"writing\n"
    waiting = "from pathlib import Path; from tavlad.store import Store\nwith Store(Path({!r})).lock('stage'): pass"
    second = subprocess.run([sys.executable, "-c", waiting.format(str(tmp_path))], capture_output=True, text=True)
    assert second.returncode == 0 and "waiting" in second.stderr
    first.wait()
    assert first.returncode == 0


def test_size_and_prune(store, tmp_path):
    put(store, "decode", "ab12", "four")
    publish(put(store, "decode", "cd34", "shared"), tmp_path / "out")
    assert store.size() == {"decode": (2, 10)}
    assert store.prune(everything=False) == (1, 4)
    assert store.find("decode", "cd34") is not None
    assert store.prune(everything=True) == (1, 6)
    assert (tmp_path / "out").read_text() == "shared"


def test_where_the_store_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAVLAD_STORE", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert Store.open().root == tmp_path / "data" / ".store"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "root"))
    assert Store.open().root == tmp_path / "root" / "data" / ".store"
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "mine"))
    assert Store.open().root == tmp_path / "mine"


def test_a_digest_follows_values_and_not_their_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(x) for x in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": [1]}, {"a": 1.5})}) == 6


def test_a_file_digest_follows_every_byte(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")


SOURCE = '''"""Module."""
from tavlad.inner import helper


def value(x):
    """Docstring."""
    return helper(x) + 1  # comment
'''


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("# comment", "# another comment"), True),
        (('"""Docstring."""', '"""Another."""'), True),
        (("+ 1", "+ 2"), False),
        (("helper(x)", "helper( x )"), True),
    ],
)
def test_a_code_digest_follows_code_and_not_its_comments(tmp_path, monkeypatch, change, same):
    (tmp_path / "tavlad").mkdir()
    (tmp_path / "tavlad" / "inner.py").write_text("def helper(x):\n    return x\n")
    module = tmp_path / "tavlad" / "outer.py"
    module.write_text(SOURCE)
    monkeypatch.setattr(store_module, "PACKAGE", Path(tmp_path / "tavlad"))
    named = ModuleType("tavlad.outer")
    before = code(named)
    module.write_text(SOURCE.replace(*change))
    assert (code(named) == before) is same
    module.write_text(SOURCE)
    (tmp_path / "tavlad" / "inner.py").write_text("def helper(x):\n    return -x\n")
    assert code(named) != before


def test_timings_are_lines_of_json(store):
    store.record("decode", {"seconds": 1.5})
    store.record("extract", {"seconds": 2.5})
    lines = (store.root / "timings.jsonl").read_text().splitlines()
    assert len(lines) == 2 and '"extract"' in lines[1]

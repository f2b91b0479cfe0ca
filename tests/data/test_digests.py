"""The digests of videos: what is not read twice, and what is read again however it was changed."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tavlad.data import hashing
from tavlad.data.table import Clip
from tavlad.store import integrity, maintenance
from tavlad.store.recipes import file_digest
from tavlad.store.store import Store

NAMES = [f"label/{number}.avi" for number in range(12)]
TICK = 2 * 10**9  # ns
LONG_AGO = -(10**9)  # ns: whatever was changed up to a second from now has settled


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "videos/label").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "videos" / name).write_text(f"the bytes of {name}")
    return tmp_path / "videos"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    files: list[str] = []
    monkeypatch.setattr(integrity, "file_digest", lambda path: files.append(path.name) or file_digest(path))
    return files


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "SETTLED", LONG_AGO)


def digests(root: Path, store: Store, names: list[str] = NAMES) -> list[str]:
    clips = [Clip(name, name, "label", name, "", "present") for name in names]
    return [clip.digest for clip in hashing.hashed(root, clips, store)]


def expected(root: Path) -> list[str]:
    return [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in NAMES]


def kept(store: Store) -> Path:
    [file] = (store.root / "digests").iterdir()
    return file


@pytest.mark.usefixtures("settled")
def test_a_second_run_reads_no_video(root: Path, store: Store, read: list[str]) -> None:
    assert digests(root, store) == expected(root) and len(read) == len(NAMES)
    before = kept(store).stat()
    assert digests(root, Store(store.root)) == expected(root) and len(read) == len(NAMES)
    assert kept(store).stat() == before


@pytest.mark.usefixtures("settled")
def test_of_other_clips_of_the_folder_only_the_new_ones_are_read(root: Path, store: Store, read: list[str]) -> None:
    digests(root, store, NAMES[:5])
    digests(root, store, NAMES[5:])
    assert digests(root, store) == expected(root) and len(read) == len(NAMES)


def overwritten(file: Path) -> None:
    file.write_bytes(b"T" + file.read_bytes()[1:])


def with_its_time_restored(file: Path) -> None:
    before = file.stat()
    overwritten(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def replaced(file: Path) -> None:
    """By another file of the same size and time."""
    before, other = file.stat(), file.with_name("other")
    other.write_bytes(b"T" + file.read_bytes()[1:])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(file)


def exchanged(file: Path) -> None:
    """With its neighbour, whose times and size are the same."""
    neighbour, aside = file.with_name("4.avi"), file.with_name("aside")
    file.rename(aside)
    neighbour.rename(file)
    aside.rename(neighbour)


def linked(file: Path) -> None:
    """To another file."""
    file.unlink()
    file.symlink_to(file.with_name("4.avi"))


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", [overwritten, with_its_time_restored, replaced, exchanged, linked])
def test_what_has_changed_is_read_again(
    root: Path, store: Store, read: list[str], change: Callable[[Path], None]
) -> None:
    for name in NAMES:
        os.utime(root / name, ns=(10**18, 10**18))
    first = digests(root, store)
    read.clear()
    time.sleep(0.02)  # longer than a tick
    change(root / NAMES[3])
    assert digests(root, store) == expected(root) != first
    assert set(read) <= {"3.avi", "4.avi"} and "3.avi" in read


def test_what_was_changed_a_moment_ago_is_not_remembered(root: Path, store: Store, read: list[str]) -> None:
    for _ in range(2):
        assert digests(root, store) == expected(root)
    assert len(read) == 2 * len(NAMES)
    for name in NAMES:
        os.utime(root / name, ns=(10**18, 10**18))  # an old time of the bytes: that of the rest is of now
    digests(root, store)
    digests(root, store)
    assert len(read) == 4 * len(NAMES) and list((store.root / "digests").iterdir()) == []


def test_changes_within_a_tick_of_the_clock_are_noticed(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a FAT file system ticks every two seconds."""
    exact, file = integrity._state, root / NAMES[0]
    monkeypatch.setattr(
        integrity, "_state", lambda path: [*exact(path)[:3], *(t // TICK * TICK for t in exact(path)[3:])]
    )
    for text in ("one", "two", "six"):
        file.write_text(text)
        assert digests(root, store, NAMES[:1]) == [hashlib.sha256(text.encode()).hexdigest()]


@pytest.mark.usefixtures("settled")
def test_a_file_that_changes_while_it_is_read_is_read_again(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link leads to one file before, to another while it is read, and to the first again."""
    link, aside = root / NAMES[0], root / "label/aside"

    def point_to(name: str) -> None:
        aside.symlink_to(root / name)
        aside.rename(link)

    def late(path: Path) -> str:
        point_to(NAMES[2])
        return file_digest(path)

    point_to(NAMES[1])
    monkeypatch.setattr(integrity, "file_digest", late)
    assert digests(root, store, NAMES[:1]) == [file_digest(root / NAMES[2])]
    monkeypatch.setattr(integrity, "file_digest", file_digest)
    point_to(NAMES[1])
    assert digests(root, store) == expected(root)


def flipped(data: bytes) -> bytes:
    """One digit of a digest is another."""
    place = data.index(hashlib.sha256(f"the bytes of {NAMES[2]}".encode()).hexdigest().encode())
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:70], lambda data: data[:-1], flipped, lambda data: b"{}", bytes.upper],
)
def test_of_what_is_damaged_nothing_is_believed(
    root: Path, store: Store, read: list[str], damage: Callable[[bytes], bytes]
) -> None:
    digests(root, store)
    whole = kept(store).read_bytes()
    kept(store).write_bytes(damage(whole))
    assert digests(root, store) == expected(root) and len(read) == 2 * len(NAMES)
    assert kept(store).read_bytes() == whole


@pytest.mark.usefixtures("settled")
def test_two_runs_at_once(root: Path, store: Store) -> None:
    found: list[list[str]] = []
    stores = [store, Store(store.root), Store(store.root)]
    threads = [threading.Thread(target=lambda one=one: found.append(digests(root, one))) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [expected(root)] * 3 == [digests(root, store)] * 3


@pytest.mark.usefixtures("settled")
def test_each_folder_has_its_own(tmp_path: Path, root: Path, store: Store, read: list[str]) -> None:
    (tmp_path / "others/label").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "others" / name).write_text("others'" + name)
    for _ in range(2):
        assert digests(root, store) == expected(root)
        assert digests(tmp_path / "others", store) == expected(tmp_path / "others")
    assert len(read) == 2 * len(NAMES)
    (tmp_path / "link").symlink_to(root)
    assert digests(tmp_path / "link", store) == expected(root) and len(read) == 2 * len(NAMES)


@pytest.mark.usefixtures("settled")
def test_they_are_no_entries_of_the_store_and_go_with_all_of_it(root: Path, store: Store, read: list[str]) -> None:
    digests(root, store)
    assert store.size() == {} and store.entries() == []
    verdict = maintenance.verify_entries(store, None, root.parent)
    assert (verdict.sound, verdict.unknown, verdict.damaged, verdict.removed) == (0, 0, [], [])
    assert maintenance.prune_entries(store, everything=False) == (0, 0)
    digests(root, store)
    assert len(read) == len(NAMES)
    maintenance.prune_entries(store, everything=True)
    assert digests(root, store) == expected(root) and len(read) == 2 * len(NAMES)

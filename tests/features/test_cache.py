"""The feature cache: whole files, same bytes, one view at a time, nothing believed."""

import json
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from tavlad.features import cache
from tavlad.features.cache import LIMIT, read_maps, read_maps_recipe, read_shape, write_maps

DRAWS = [
    None,
    {"scale": 0.75, "corner": "top left", "flip": True},
    {"scale": 1.0, "corner": "centre", "flip": False},
]


def maps(T: int = 4) -> np.ndarray:
    return np.maximum(np.random.default_rng(0).normal(size=(3, T, 8, 2, 2)), 0).astype(np.float16)


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def test_round_trip(tmp_path: Path) -> None:
    write_maps(tmp_path / "a", "walk/b é", maps(), "recipe", DRAWS, {"backbone": "x"})
    assert read_shape(tmp_path / "a") == (3, 4, 8, 2, 2) and read_maps_recipe(tmp_path / "a") == "recipe"
    for view in range(3):
        found = read_maps(tmp_path / "a", view)
        assert found.dtype == np.float16 and np.array_equal(found, maps()[view])
    with h5py.File(tmp_path / "a", "r") as file:
        assert file.attrs["clip"].decode() == "walk/b é" and json.loads(file.attrs["made_by"]) == {"backbone": "x"}
        assert json.loads(file.attrs["draws"]) == DRAWS


def test_same_input_same_bytes_and_smaller_than_the_numbers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_maps(tmp_path / name, "clip", maps(500), "recipe", DRAWS, {"z": 1, "a": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size < 0.8 * maps(500).nbytes


def test_reading_a_view_touches_no_other(tmp_path: Path) -> None:
    write_maps(tmp_path / "a", "clip", maps(500), "recipe", DRAWS, {})
    with h5py.File(tmp_path / "a", "r") as file:
        chunks = [file["maps"].id.get_chunk_info(view) for view in range(3)]
    data = bytearray((tmp_path / "a").read_bytes())
    for view in (0, 2):
        start = chunks[view].byte_offset
        data[start : start + chunks[view].size] = bytes(chunks[view].size)
    (tmp_path / "a").write_bytes(data)
    assert np.array_equal(read_maps(tmp_path / "a", 1), maps(500)[1])
    with pytest.raises(ValueError, match=r"/a cannot be read: .*tavlad doctor store"):
        read_maps(tmp_path / "a", 2)


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    write_maps(tmp_path / "a", "clip", maps(500), "recipe", DRAWS, {})
    with h5py.File(tmp_path / "a", "r") as file:
        chunk = file["maps"].id.get_chunk_info(0)
    data = bytearray((tmp_path / "a").read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 4
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ValueError, match=r"/a cannot be read: .*tavlad doctor store"):
        read_maps(tmp_path / "a", 0)


def test_plain_h5py_reads_the_maps_and_a_chunk_is_a_zlib_stream_of_low_then_high_bytes(tmp_path: Path) -> None:
    turned = maps().transpose(0, 1, 2, 4, 3)  # not contiguous
    write_maps(tmp_path / "a", "clip", turned, "recipe", DRAWS, {})
    with h5py.File(tmp_path / "a", "r") as file:
        stored = file["maps"]
        assert np.array_equal(stored[()], turned) and stored.dtype == np.float16
        assert (stored.compression, stored.shuffle, stored.fletcher32) == ("gzip", True, False)
        for view in range(3):
            mask, chunk = stored.id.read_direct_chunk((view, 0, 0, 0, 0))
            plain = turned[view].tobytes()
            assert mask == 0 and zlib.decompress(chunk) == plain[::2] + plain[1::2]


def test_other_files_are_opened_while_maps_are_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_maps(tmp_path / "other", "clip", maps(), "recipe", DRAWS, {})
    opened = []

    def compress(data: np.ndarray, level: int) -> bytes:
        with ThreadPoolExecutor(1) as pool:
            opened.append(pool.submit(read_shape, tmp_path / "other").result(20))
        return zlib.compress(data, level)

    monkeypatch.setattr(cache.isal_zlib, "compress", compress)
    write_maps(tmp_path / "a", "clip", maps(), "recipe", DRAWS, {})
    assert opened == [(3, 4, 8, 2, 2)] * 3


def test_files_with_checksums_of_another_kind_are_read_as_before(tmp_path: Path) -> None:
    """As they were written with h5py's own filters, and metadata of HDF5's first version."""
    filters = {"shuffle": True, "compression": "gzip", "compression_opts": 1, "fletcher32": True}
    with h5py.File(tmp_path / "old", "w", libver="earliest") as file:
        file.create_dataset("maps", data=maps(), chunks=(1, 4, 8, 2, 2), **filters)
        file.attrs["clip"], file.attrs["recipe"] = "clip", "recipe"
        place = file["maps"].id.get_chunk_info(1).byte_offset
    assert read_shape(tmp_path / "old") == (3, 4, 8, 2, 2) and read_maps_recipe(tmp_path / "old") == "recipe"
    assert all(np.array_equal(read_maps(tmp_path / "old", view), maps()[view]) for view in range(3))
    data = bytearray((tmp_path / "old").read_bytes())
    data[place + 20] ^= 1
    (tmp_path / "old").write_bytes(data)
    with pytest.raises(ValueError, match=r"/old cannot be read: .*tavlad doctor store"):
        read_maps(tmp_path / "old", 1)


def test_the_checksum_of_a_chunk_is_compared_where_its_stream_stays_whole(tmp_path: Path, monkeypatch) -> None:
    """In a stream that is stored, not coded, nothing but Adler-32 tells a changed byte."""
    monkeypatch.setattr(cache.isal_zlib, "compress", lambda data, level: zlib.compress(data, 0))
    write_maps(tmp_path / "a", "clip", maps(), "recipe", DRAWS, {})
    with h5py.File(tmp_path / "a", "r") as file:
        chunk = file["maps"].id.get_chunk_info(1)
    content, end = (tmp_path / "a").read_bytes(), chunk.byte_offset + chunk.size
    for place in range(end - 1, chunk.byte_offset + 6, -5):  # after the headers of stream and block
        data = flipped(content, place, place % 8)
        assert len(zlib.decompressobj(-15).decompress(data[chunk.byte_offset + 2 : end - 4])) == maps()[1].nbytes
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(ValueError, match=r"/b cannot be read: .*tavlad doctor store"):
            read_maps(tmp_path / "b", 1)


def kinds(path: Path) -> dict[int, str]:
    """What each byte of the file belongs to, by its place: the blocks of HDF5's format, and the parts of the chunks."""
    starts = {match.start(): match[0].decode() for match in re.finditer(rb"OHDR|OCHK|FAHD|FADB", path.read_bytes())}
    with h5py.File(path, "r") as file:
        chunks = [file["maps"].id.get_chunk_info(view) for view in range(len(file["maps"]))]
    for chunk in chunks:
        end = chunk.byte_offset + chunk.size
        starts |= {chunk.byte_offset: "zlib header", chunk.byte_offset + 2: "deflate", end - 4: "Adler-32"}
    ends = [*sorted(starts)[1:], path.stat().st_size]
    found = dict.fromkeys(range(min(starts)), "superblock")
    for start, end in zip(sorted(starts), ends, strict=True):
        found |= dict.fromkeys(range(start, end), starts[start])
    return found


def test_no_flipped_bit_in_any_part_of_a_file_gives_other_maps(tmp_path: Path) -> None:
    write_maps(tmp_path / "a", "clip", maps(1), "recipe", DRAWS, {"backbone": "x"})
    content, found, noticed = (tmp_path / "a").read_bytes(), kinds(tmp_path / "a"), set()
    assert b"recipe" in content  # the attributes: under the checksum of their header
    for place, kind in found.items():
        (tmp_path / "b").write_bytes(flipped(content, place, place % 8))
        try:
            assert read_shape(tmp_path / "b") == (3, 1, 8, 2, 2) and read_maps_recipe(tmp_path / "b") == "recipe", kind
            assert all(np.array_equal(read_maps(tmp_path / "b", view), maps(1)[view]) for view in range(3)), kind
        except ValueError as error:
            assert f"{tmp_path}/b" in str(error)
            noticed.add(kind)
    assert noticed == {"superblock", "OHDR", "OCHK", "FAHD", "FADB", "zlib header", "deflate", "Adler-32"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_name_the_clip_and_leave_no_file(tmp_path: Path, value: float) -> None:
    wrong = maps()
    wrong[1, 2, 3] = value
    with pytest.raises(ValueError, match="walk/b: its maps contain 4 values that are not finite"):
        write_maps(tmp_path / "a", "walk/b", wrong, "recipe", DRAWS, {})
    assert not (tmp_path / "a").exists()


def test_what_is_no_cache_is_refused_before_it_is_read(tmp_path: Path) -> None:
    def refused(name: str, message: str) -> None:
        for read in (lambda path: read_maps(path, 0), read_shape):
            with pytest.raises(ValueError, match=message):
                read(tmp_path / name)

    huge = (1, LIMIT // 8, 5, 1, 1)
    with h5py.File(tmp_path / "huge", "w") as file:
        file.create_dataset("maps", huge, np.float16, chunks=(1, 1024, 5, 1, 1))
    with h5py.File(tmp_path / "holes", "w") as file:
        file.create_dataset("maps", (2, 3, 4, 1, 1), np.float16, chunks=(1, 3, 4, 1, 1))[0] = 1
    with h5py.File(tmp_path / "type", "w") as file:
        file["maps"] = np.zeros((1, 2, 3, 4, 5), np.float32)
    with h5py.File(tmp_path / "dims", "w") as file:
        file["maps"] = np.zeros((2, 3), np.float16)
    with h5py.File(tmp_path / "group", "w") as file:
        file.create_group("maps")
    refused("huge", "more than the")
    refused("holes", "damaged")
    for name in ("type", "dims", "group"):
        refused(name, "is not a file of the feature cache")


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    for wrong, draws in ((maps().astype(np.float32), DRAWS), (maps()[0], DRAWS), (maps(), DRAWS[:2])):
        with pytest.raises(ValueError, match=r"clip: expected float16 \(V,T,C,H,W\)"):
            write_maps(tmp_path / "a", "clip", wrong, "recipe", draws, {})

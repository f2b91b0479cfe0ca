"""The feature cache: whole files, same bytes, one view at a time, nothing believed."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tavlad.features.cache import LIMIT, read_maps, read_maps_recipe, read_shape, write_maps

DRAWS = [
    None,
    {"scale": 0.75, "corner": "top left", "flip": True},
    {"scale": 1.0, "corner": "centre", "flip": False},
]


def maps(T: int = 4) -> np.ndarray:
    return np.maximum(np.random.default_rng(0).normal(size=(3, T, 8, 2, 2)), 0).astype(np.float16)


def test_round_trip(tmp_path: Path) -> None:
    write_maps(tmp_path / "a", "walk/b c", maps(), "recipe", DRAWS, {"backbone": "x"})
    assert read_shape(tmp_path / "a") == (3, 4, 8, 2, 2) and read_maps_recipe(tmp_path / "a") == "recipe"
    for view in range(3):
        found = read_maps(tmp_path / "a", view)
        assert found.dtype == np.float16 and np.array_equal(found, maps()[view])
    with h5py.File(tmp_path / "a", "r") as file:
        assert file.attrs["clip"] == "walk/b c" and json.loads(file.attrs["made_by"]) == {"backbone": "x"}
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
    with pytest.raises(ValueError, match=r"/a cannot be read: .*tavlad store verify"):
        read_maps(tmp_path / "a", 2)


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    write_maps(tmp_path / "a", "clip", maps(500), "recipe", DRAWS, {})
    with h5py.File(tmp_path / "a", "r") as file:
        chunk = file["maps"].id.get_chunk_info(0)
    data = bytearray((tmp_path / "a").read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 4
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ValueError, match=r"/a cannot be read: .*tavlad store verify"):
        read_maps(tmp_path / "a", 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_name_the_clip_and_leave_no_file(tmp_path: Path, value: float) -> None:
    wrong = maps()
    wrong[1, 2, 3] = value
    with pytest.raises(ValueError, match="walk/b: its maps hold 4 values that are not finite"):
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
        refused(name, "no file of the feature cache")


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    for wrong, draws in ((maps().astype(np.float32), DRAWS), (maps()[0], DRAWS), (maps(), DRAWS[:2])):
        with pytest.raises(ValueError, match=r"clip: expected float16 \(V,T,C,H,W\)"):
            write_maps(tmp_path / "a", "clip", wrong, "recipe", draws, {})

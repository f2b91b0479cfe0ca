"""The feature cache: one HDF5 file per clip holds its layer-4 maps, a chunk a view, and says what made them."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from tavlad.store.hdf5 import created, opened_hdf5
from tavlad.store.inputs import Inputs

# what a reader undoes; zstd would leave 0.53 of the bytes, but is a library of 186 MB for every user; lzf: 0.84
FILTERS = {"shuffle": True, "compression": "gzip"}
LEVEL = 1  # of ISA-L's 0 to 3: as fast as any, and the smallest, 0.58 of the bytes for bfloat16 maps (zlib's 1: 0.62)
LIMIT = 1 << 30  # bytes of one view: 800 times the paper's; a file that claims more is damaged or hostile


def write_maps(
    path: Path,
    clip_id: str,
    maps: np.ndarray,
    recipe: str,
    draws: Sequence[Mapping[str, Any] | None],
    facts: Mapping[str, Any],
) -> None:
    """Write maps float16 (V,T,C,H,W) to a new file at `path`; `draws` has one per view (None: the centre crop).

    `facts` says what made them (any JSON). The same input gives the same bytes. ValueError if a value is not finite.
    """
    if maps.dtype != np.float16 or maps.ndim != 5 or len(maps) != len(draws):
        raise ValueError(f"{clip_id}: expected float16 (V,T,C,H,W) with V={len(draws)}, got {maps.dtype} {maps.shape}")
    if not np.isfinite(maps).all():
        raise ValueError(f"{clip_id}: its maps hold {int((~np.isfinite(maps)).sum())} values that are not finite")
    chunks = [_packed(view) for view in maps]  # before HDF5's lock is taken, which every other thread may wait for
    with created(path) as file:
        dataset = file.create_dataset("maps", maps.shape, maps.dtype, chunks=(1, *maps.shape[1:]), **FILTERS)
        for view, chunk in enumerate(chunks):
            dataset.id.write_direct_chunk((view, 0, 0, 0, 0), chunk)
        about = {"draws": json.dumps(list(draws)), "made_by": json.dumps(facts, sort_keys=True)}
        for name, text in ({"clip": clip_id, "recipe": recipe} | about).items():
            # of a fixed length: then it is under a checksum, as HDF5's heap of other texts is not
            file.attrs.create(name, text.encode(), dtype=h5py.string_dtype(length=len(text.encode())))


def read_maps(path: Path, view: int) -> np.ndarray:
    """One view, float16 (T,C,H,W), reading no other; ValueError with its path if it is none of the cache, or bad."""
    with opened_hdf5(path) as file:
        maps: np.ndarray = _checked(path, file)[view]
        return maps


def read_shape(path: Path) -> tuple[int, int, int, int, int]:
    """(V,T,C,H,W) of the file."""
    with opened_hdf5(path) as file:
        V, T, C, H, W = _checked(path, file).shape
        return V, T, C, H, W


def read_maps_recipe(path: Path) -> str:
    """The recipe (a digest) that the file was made by."""
    with opened_hdf5(path) as file:
        recipe = file.attrs["recipe"]
        return recipe.decode() if isinstance(recipe, bytes) else str(recipe)  # older files: of no fixed length


def maps_inputs(features: Path, clips: Sequence[str]) -> Inputs:
    """The files of `clips` in the cache, as what a stage reads."""
    return Inputs(features, tuple((clip, read_maps_recipe(features / f"{clip}.h5")) for clip in clips))


def _packed(view: np.ndarray) -> bytes:
    """What HDF5's filters make of float16 (T,C,H,W): all low bytes, then all high ones, as a zlib stream."""
    packed: bytes = isal_zlib.compress(np.ascontiguousarray(view.reshape(-1, 1).view(np.uint8).T), LEVEL)
    return packed


def _checked(path: Path, file: h5py.File) -> h5py.Dataset:
    """The dataset, after a look at its type, size and chunks, so that nothing unreasonable is allocated."""
    # `get` would take a read that fails for a name that is missing
    maps = file["maps"] if "maps" in file else None  # noqa: SIM401
    if not isinstance(maps, h5py.Dataset) or maps.dtype != np.float16 or maps.ndim != 5:
        raise ValueError(f"{path} is no file of the feature cache: it holds no 'maps' as float16 (V,T,C,H,W)")
    size = math.prod(maps.shape[1:]) * maps.dtype.itemsize
    if not 0 < size <= LIMIT:
        raise ValueError(f"{path}: one view of {maps.shape} takes {size} bytes, more than the {LIMIT} that are allowed")
    # a chunk that was never written reads as zeros, without an error
    if maps.chunks != (1, *maps.shape[1:]) or maps.id.get_num_chunks() != len(maps):
        raise ValueError(f"{path} is damaged: its {len(maps)} views do not match its chunks")
    return maps

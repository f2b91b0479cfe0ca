"""The feature cache: one HDF5 file per clip with its layer-4 maps, one chunk per view, and how they were made."""

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

# Compresses bfloat16 maps to 0.58 of their size (lzf: 0.84); zstd would reach 0.53, but needs a library of 186 MB.
FILTERS = {"shuffle": True, "compression": "gzip"}
LEVEL = 1  # of ISA-L's 0 to 3: as fast as any, and the smallest output (zlib's level 1: 0.62)
LIMIT = 1 << 30  # bytes per view, 800 times the paper's; a file that declares more is damaged or hostile


def write_maps(
    path: Path,
    clip_id: str,
    maps: np.ndarray,
    recipe: str,
    draws: Sequence[Mapping[str, Any] | None],
    facts: Mapping[str, Any],
) -> None:
    """Write maps float16 (V,T,C,H,W) to a new file at `path`; `draws` has one item per view (None: the centre crop).

    `facts` records how they were made (any JSON). The same input gives the same bytes. ValueError if maps have another
    shape or dtype, or values that are not finite.
    """
    if maps.dtype != np.float16 or maps.ndim != 5 or len(maps) != len(draws):
        raise ValueError(f"{clip_id}: expected float16 (V,T,C,H,W) with V={len(draws)}, got {maps.dtype} {maps.shape}")
    if not np.isfinite(maps).all():
        raise ValueError(f"{clip_id}: its maps contain {int((~np.isfinite(maps)).sum())} values that are not finite")
    chunks = [_packed(view) for view in maps]  # outside HDF5's lock, so that threads do not wait for it
    with created(path) as file:
        dataset = file.create_dataset("maps", maps.shape, maps.dtype, chunks=(1, *maps.shape[1:]), **FILTERS)
        for view, chunk in enumerate(chunks):
            dataset.id.write_direct_chunk((view, 0, 0, 0, 0), chunk)
        about = {"draws": json.dumps(list(draws)), "made_by": json.dumps(facts, sort_keys=True)}
        for name, text in ({"clip": clip_id, "recipe": recipe} | about).items():
            # fixed length: such a string is covered by a checksum, unlike HDF5's heap of variable-length strings
            file.attrs.create(name, text.encode(), dtype=h5py.string_dtype(length=len(text.encode())))


def read_maps(path: Path, view: int) -> np.ndarray:
    """Read one view only, float16 (T,C,H,W); ValueError with the path if the file is damaged or not of the cache."""
    with opened_hdf5(path) as file:
        maps: np.ndarray = _checked(path, file)[view]
        return maps


def read_shape(path: Path) -> tuple[int, int, int, int, int]:
    """(V,T,C,H,W) of the file."""
    with opened_hdf5(path) as file:
        V, T, C, H, W = _checked(path, file).shape
        return V, T, C, H, W


def read_maps_recipe(path: Path) -> str:
    """The recipe (a digest) of the file."""
    with opened_hdf5(path) as file:
        recipe = file.attrs["recipe"]
        return recipe.decode() if isinstance(recipe, bytes) else str(recipe)  # older files: variable length


def maps_inputs(features: Path, clips: Sequence[str]) -> Inputs:
    """The cache files of `clips`, as a stage's inputs."""
    return Inputs(features, tuple((clip, read_maps_recipe(features / f"{clip}.h5")) for clip in clips))


def _packed(view: np.ndarray) -> bytes:
    """Apply HDF5's filters to float16 (T,C,H,W): all low bytes, then all high bytes, as a zlib stream."""
    packed: bytes = isal_zlib.compress(np.ascontiguousarray(view.reshape(-1, 1).view(np.uint8).T), LEVEL)
    return packed


def _checked(path: Path, file: h5py.File) -> h5py.Dataset:
    """The dataset; its type, size and chunks are checked before anything is allocated."""
    # `get` would report a failed read as a missing name
    maps = file["maps"] if "maps" in file else None  # noqa: SIM401
    if not isinstance(maps, h5py.Dataset) or maps.dtype != np.float16 or maps.ndim != 5:
        raise ValueError(f"{path} is not a file of the feature cache: it has no 'maps' as float16 (V,T,C,H,W)")
    size = math.prod(maps.shape[1:]) * maps.dtype.itemsize
    if not 0 < size <= LIMIT:
        raise ValueError(f"{path}: one view of {maps.shape} takes {size} bytes, more than the {LIMIT} that are allowed")
    # a chunk that was never written is read as zeros, without an error
    if maps.chunks != (1, *maps.shape[1:]) or maps.id.get_num_chunks() != len(maps):
        raise ValueError(f"{path} is damaged: its {len(maps)} views do not match its chunks")
    return maps

"""Damage to the bytes of a video, as by disks, networks and attackers; each is (bytes, generator) -> bytes."""

import struct
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

Damage = Callable[[bytes, Generator], bytes]
HEADER = 2048  # bytes that contain most of the header in every container
LIES = (0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1)  # for 32-bit fields
# Offsets in bytes from a chunk's or box's name to its 32-bit fields. AVI is little-endian, MP4 big-endian.
FRAME_COUNTS = {b"avih": (24,), b"strh": (40,), b"stts": (8, 12), b"stsz": (12,)}
SIZES = {b"avih": (40, 44), b"strf": (12, 16), b"tkhd": (80, 84), b"avc1": (28,)}
TIMES = {b"avih": (8,), b"strh": (28, 32, 36), b"stts": (16,), b"mdhd": (16, 20), b"mvhd": (16, 20), b"ctts": (16,)}


def truncated(data: bytes, rng: Generator) -> bytes:
    """Keep only the beginning, of any length."""
    return data[: rng.integers(1, len(data))]


def beheaded(data: bytes, rng: Generator) -> bytes:
    """Keep only the end, of any length."""
    return data[rng.integers(1, len(data)) :]


def flipped_bits(data: bytes, rng: Generator) -> bytes:
    """Flip one to about a thousand bits anywhere."""
    return _flipped(data, rng, len(data), int(2 ** rng.uniform(0, 10)))


def flipped_header(data: bytes, rng: Generator) -> bytes:
    """Flip a few bits of the header."""
    return _flipped(data, rng, HEADER, int(rng.integers(1, 9)))


def garbage_block(data: bytes, rng: Generator) -> bytes:
    """Replace a block by noise."""
    start, end = _block(data, rng)
    return data[:start] + rng.bytes(end - start) + data[end:]


def zeroed_block(data: bytes, rng: Generator) -> bytes:
    """Replace a block by zeros, as if it had never been written to disk."""
    start, end = _block(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def zeroed_header(data: bytes, rng: Generator) -> bytes:
    """Replace the beginning by zeros."""
    end = int(rng.integers(1, min(HEADER, len(data))))
    return bytes(end) + data[end:]


def hole(data: bytes, rng: Generator) -> bytes:
    """Remove a block."""
    start, end = _block(data, rng)
    return data[:start] + data[end:]


def repeated_block(data: bytes, rng: Generator) -> bytes:
    """Repeat a block."""
    start, end = _block(data, rng)
    return data[:end] + data[start:]


def swapped_blocks(data: bytes, rng: Generator) -> bytes:
    """Swap two adjacent blocks."""
    start, end = _block(data, rng)
    middle = (start + end) // 2
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def grown(data: bytes, rng: Generator) -> bytes:
    """Append noise, or the video itself."""
    return data + (rng.bytes(int(rng.integers(1, 20_000))) if rng.random() < 0.5 else data)


def lying_count(data: bytes, rng: Generator) -> bytes:
    """Make the header (AVI, MP4) claim another number of frames, up to 2^32."""
    return _lie(data, rng, FRAME_COUNTS)


def lying_size(data: bytes, rng: Generator) -> bytes:
    """Make the header (AVI, MP4) claim another width or height."""
    return _lie(data, rng, SIZES)


def lying_times(data: bytes, rng: Generator) -> bytes:
    """Make the header (AVI, MP4) claim other rates, scales, starts or durations."""
    return _lie(data, rng, TIMES)


ANY: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (
        *(truncated, beheaded, flipped_bits, flipped_header, garbage_block, zeroed_block, zeroed_header),
        *(hole, repeated_block, swapped_blocks, grown),
    )
}
AVI_AND_MP4: dict[str, Damage] = {damage.__name__: damage for damage in (lying_count, lying_size, lying_times)}


def _flipped(data: bytes, rng: Generator, within: int, count: int) -> bytes:
    array = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(0, min(within, len(data)), count)
    np.bitwise_xor.at(array, places, (1 << rng.integers(0, 8, count)).astype(np.uint8))
    return array.tobytes()


def _block(data: bytes, rng: Generator) -> tuple[int, int]:
    """Start and end of a block, from one byte to half of the file."""
    length = int((len(data) / 2) ** rng.random())
    start = int(rng.integers(0, len(data) - length))
    return start, start + length


def _lie(data: bytes, rng: Generator, fields: dict[bytes, tuple[int, ...]]) -> bytes:
    """`data` with at least one of `fields` overwritten; unchanged if none is found."""
    order = "<" if data[:4] == b"RIFF" else ">"
    found = [(data.index(name) + at) for name, offsets in fields.items() if name in data for at in offsets]
    chosen = [at for at in found if rng.random() < 0.5] or found[:1]
    for at in chosen:
        data = data[:at] + struct.pack(f"{order}I", LIES[rng.integers(len(LIES))]) + data[at + 4 :]
    return data

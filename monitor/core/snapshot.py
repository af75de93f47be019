"""An engine's memory as bytes: sections of plain values and arrays, each with its checksum.  No pickle.

    magic | header length | header (JSON: version, sections, sizes, CRCs) | header CRC | the sections

An array that is hardly filled (an index with room to grow) is kept as the places and values of what is not
zero: an engine that has seen nothing takes 34 kB instead of 20 MB.

What cannot be read is `BadSnapshot` with the section's name; a version that we do not know
is refused by its number, never guessed at.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"KNIGHTWATCH SNAPSHOT\n"
# 3: dollars, ages and ids that come back have other columns.  After an older one the session is read anew.
VERSION: Final = 3
HEADER_BYTES_MAX: Final = 1 << 20
SPARSE_SIZE_MIN: Final = 4_096
SPARSE_SHARE: Final = 8  # sparse where at most one of so many is filled
BLOCK: Final = 512  # items that are looked at as one: numpy finds what is not zero one by one, and slowly
PLAIN: Final = ("engine", "shell")  # sections of plain values; the others are tables of arrays


class BadSnapshot(ValueError):
    """Not a snapshot, a torn one, or one of a version that we do not know."""


def encode(state: Mapping[str, Any]) -> list[bytes | memoryview]:
    """The pieces of a snapshot, to be written one after another; arrays are not copied."""
    sections: list[dict[str, Any]] = []
    pieces: list[bytes | memoryview] = []
    for name, value in state.items():
        if name in PLAIN:
            body: bytes | memoryview = json.dumps(value, separators=(",", ":")).encode()
            sections.append({"name": name, "size": len(body), "crc": zlib.crc32(body)})
            pieces.append(body)
            continue
        for table, array in value.items():
            plain = np.ascontiguousarray(array).reshape(-1)
            places = _filled(plain)
            body = _bytes_of(plain) if places is None else places.tobytes() + plain[places].tobytes()
            sections.append(
                {
                    "name": name,
                    "table": table,
                    "dtype": plain.dtype.str,
                    "shape": array.shape,
                    "size": len(body),
                    "crc": zlib.crc32(body),
                    **({} if places is None else {"filled": len(places)}),
                }
            )
            pieces.append(body)
    header = json.dumps({"version": VERSION, "sections": sections}, separators=(",", ":")).encode()
    return [MAGIC, struct.pack("<II", len(header), zlib.crc32(header)), header, *pieces]


def decode(raw: bytes | memoryview) -> dict[str, Any]:
    """The state of a snapshot; raises `BadSnapshot`."""
    view = memoryview(raw)
    start = len(MAGIC) + 8
    if bytes(view[: len(MAGIC)]) != MAGIC or len(view) < start:
        raise BadSnapshot("is no snapshot")
    size, crc = struct.unpack("<II", view[len(MAGIC) : start])
    header = bytes(view[start : start + size])
    if size > HEADER_BYTES_MAX or len(header) != size or zlib.crc32(header) != crc:
        raise BadSnapshot("its header is torn")
    try:
        told = json.loads(header)
        version = told["version"]
    except (ValueError, KeyError, TypeError) as foreign:
        raise BadSnapshot("names no version") from foreign
    if version != VERSION:
        raise BadSnapshot(f"is of version {version}; this program reads version {VERSION}")
    try:
        return _sections(told["sections"], view[start + size :])
    except (KeyError, TypeError, IndexError, AttributeError) as foreign:
        raise BadSnapshot("its header is not of this program") from foreign


def _sections(told: Sequence[Mapping[str, Any]], view: memoryview) -> dict[str, Any]:
    at = 0
    state: dict[str, Any] = {}
    for section in told:
        body = view[at : at + section["size"]]
        at += section["size"]
        if len(body) != section["size"] or zlib.crc32(body) != section["crc"]:
            raise BadSnapshot(f"section {section['name']} {section.get('table', '')} is torn")
        if "table" not in section:
            state[section["name"]] = json.loads(bytes(body))
        else:
            state.setdefault(section["name"], {})[section["table"]] = _array(section, body)
    return state


def _filled(plain: NDArray[Any]) -> NDArray[np.int64] | None:
    """Where an array is not all zero bits, if that is little of much."""
    if plain.size < SPARSE_SIZE_MIN:
        return None
    bits = plain.view(f"u{plain.itemsize}")
    whole = len(bits) // BLOCK * BLOCK
    blocks = np.flatnonzero(np.bitwise_or.reduce(bits[:whole].reshape(-1, BLOCK), axis=1))
    if len(blocks) * BLOCK * SPARSE_SHARE <= plain.size:
        within = (blocks[:, np.newaxis] * BLOCK + np.arange(BLOCK)).reshape(-1)
        tried = np.concatenate([within, np.arange(whole, len(bits))])
        places = tried[bits[tried] != 0]
    else:
        places = np.flatnonzero(bits != 0)
    return places if len(places) * SPARSE_SHARE <= plain.size else None


def _bytes_of(plain: NDArray[Any]) -> memoryview:
    return plain.view(np.uint8).data


def _array(section: Mapping[str, Any], body: memoryview) -> NDArray[Any]:
    dtype, shape = np.dtype(section["dtype"]), section["shape"]
    if "filled" not in section:
        return np.frombuffer(body, dtype).reshape(shape)
    array = np.zeros(shape, dtype)
    places = np.frombuffer(body, np.int64, section["filled"])
    array.reshape(-1)[places] = np.frombuffer(body, dtype, section["filled"], places.nbytes)
    return array

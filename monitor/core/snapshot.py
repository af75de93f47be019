"""An engine's memory as bytes: sections of plain values and arrays, each with its checksum.  No pickle.

    magic | header length | header (JSON: version, sections, sizes, CRCs) | header CRC | the sections

What cannot be read is `BadSnapshot` with the section's name; a version that we do not know
is refused by its number, never guessed at.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

MAGIC: Final = b"KNIGHTWATCH SNAPSHOT\n"
VERSION: Final = 2  # 2: the ledger counts the orders of each attribution
HEADER_BYTES_MAX: Final = 1 << 20
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
            plain = np.ascontiguousarray(array)
            body = plain.reshape(-1).view(np.uint8).data
            sections.append(
                {
                    "name": name,
                    "table": table,
                    "dtype": plain.dtype.str,
                    "shape": plain.shape,
                    "size": plain.nbytes,
                    "crc": zlib.crc32(body),
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
    told = json.loads(header)
    if told["version"] != VERSION:
        raise BadSnapshot(f"is of version {told['version']}; this program reads version {VERSION}")
    at = start + size
    state: dict[str, Any] = {}
    for section in told["sections"]:
        body = view[at : at + section["size"]]
        at += section["size"]
        if len(body) != section["size"] or zlib.crc32(body) != section["crc"]:
            raise BadSnapshot(f"section {section['name']} {section.get('table', '')} is torn")
        if "table" not in section:
            state[section["name"]] = json.loads(bytes(body))
        else:
            array = np.frombuffer(body, np.dtype(section["dtype"])).reshape(section["shape"])
            state.setdefault(section["name"], {})[section["table"]] = array
    return state

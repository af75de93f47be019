"""CRC-32C by the processor's own instruction, where it has one: a quarter of what the client's tables take.

It says only that a checksum is right.  Where it says no, or cannot say, the client's own answer counts.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs, disable-error-code="misc"
# ruff: noqa: ANN001, ANN201, ANN202  kernels are typed by numba at their first call

from __future__ import annotations

import platform
from struct import Struct
from typing import Final

import numpy as np
from llvmlite import binding, ir  # numba's own half: its version is pinned by it
from numba import types
from numba.extending import intrinsic

from detectors.kernel import compiled_with_bounds

AVAILABLE: Final = platform.machine() in ("x86_64", "AMD64") and bool(
    binding.get_host_cpu_features().get("sse4.2")
)
CHECKSUM: Final = Struct(">I")
CHECKSUM_AT: Final = 17  # of a batch of magic 2; it is of all that comes behind it
_ALL_ONES: Final = np.uint64(0xFFFFFFFF)


def _instruction(name, width):
    """The instruction for so many bits: (sum so far, next bits) -> sum."""

    def emit(_context, builder, _signature, given):
        kind = ir.IntType(64 if width == 64 else 32)
        bits = ir.IntType(width)
        function = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(kind, (kind, bits)), name
        )
        so_far = given[0] if width == 64 else builder.trunc(given[0], kind)
        more = given[1] if width == 64 else builder.trunc(given[1], bits)
        added = builder.call(function, (so_far, more))
        return added if width == 64 else builder.zext(added, ir.IntType(64))

    def typed(_typing, _so_far, _more):
        return types.uint64(types.uint64, types.uint64), emit

    return intrinsic(typed)


_add_word = _instruction("llvm.x86.sse42.crc32.64.64", 64)
_add_byte = _instruction("llvm.x86.sse42.crc32.32.8", 8)


@compiled_with_bounds
def crc32c(text, words, at, end):
    """Of the bytes [at, end); `words` are the whole words of the same buffer."""
    added = np.uint64(_ALL_ONES)
    while at < end and at & 7 != 0:
        added = _add_byte(added, np.uint64(text[at]))
        at += 1
    while at + 8 <= end:
        added = _add_word(added, words[at >> 3])
        at += 8
    while at < end:
        added = _add_byte(added, np.uint64(text[at]))
        at += 1
    return np.int64(added ^ _ALL_ONES)


class Checksums:
    """Those of the batches in one fetch."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._text = np.frombuffer(raw, np.uint8)
        self._words = np.frombuffer(raw, np.uint64, len(raw) // 8)

    def is_right(self, at: int, end: int) -> bool:
        """Of the batch of magic 2 that lies at [at, end)."""
        begin = at + CHECKSUM_AT
        (given,) = CHECKSUM.unpack_from(self._raw, begin)
        return AVAILABLE and bool(crc32c(self._text, self._words, begin + CHECKSUM.size, end) == given)

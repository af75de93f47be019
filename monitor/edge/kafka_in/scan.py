"""The compiled reader of Kafka's record batches (magic 2): what is ordinary, and nothing else.

    scan(bytes, batches)  ->  where each record's value lies, its offset and its time

It never says that a batch is broken.  A number over nine bytes, a length that does not fit, a header's
name beyond ASCII: it stops there, and the client's own parser decides about that batch.  So what it
accepts must be what the client accepts, with the same bytes (test_kafka_batches holds both together).

It eats what strangers send: array bounds are checked in service too.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: ANN001, ANN201, ANN202  kernels are typed by numba at their first call

from __future__ import annotations

import numpy as np

from detectors.kernel import compiled_with_bounds, inlined_with_bounds
from monitor.edge.kafka_in.checksum import Checksums
from monitor.edge.kafka_in.layout import (
    APPENDED,
    BASE_MS,
    BASE_OFFSET,
    BATCH,
    BEGIN,
    COLUMNS,
    COUNT,
    END,
    FILLED,
    LAST_MS,
    OFFSET,
    PLACES,
    POSITION,
    STAMP_MS,
    START,
    STATES,
    STOP,
)


@inlined_with_bounds
def _number(text, at, end):
    """A zigzag number and the place behind it; -1 as the place for one that is cut off or over nine bytes."""
    value = np.int64(0)
    shift = 0
    while at < end and shift < 63:
        byte = np.int64(text[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    return np.int64(0), np.int64(-1)


@inlined_with_bounds
def _past_headers(text, at, end, count):
    """The place behind so many headers, or -1."""
    for _ in range(count):
        size, at = _number(text, at, end)
        if at < 0 or size < 0 or size > end - at:
            return np.int64(-1)
        for place in range(at, at + size):
            if text[place] > 127:  # the client wants UTF-8
                return np.int64(-1)
        size, at = _number(text, at + size, end)
        if at < 0 or size > end - at:
            return np.int64(-1)
        at += max(size, 0)
    return at


@compiled_with_bounds
def _one(text, batch, places, filled):
    """Read a batch; how many places are filled then, or -1."""
    at, end = batch[BEGIN], batch[END]
    for _ in range(batch[COUNT]):
        size, at = _number(text, at, end)
        if at < 0 or size > end - at:
            return -1
        stop = at + size
        _, at = _number(text, at, stop)
        if at < 0:
            return -1
        later_ms, at = _number(text, at, stop)
        if at < 0:
            return -1
        further, at = _number(text, at, stop)
        if at < 0:
            return -1
        size, at = _number(text, at, stop)
        if at < 0 or size > stop - at:
            return -1
        size, at = _number(text, at + max(size, 0), stop)
        if at < 0 or size > stop - at:
            return -1
        start = at
        at += max(size, 0)
        value_end = at
        headers, at = _number(text, at, stop)
        if at < 0 or headers < 0:
            return -1
        at = _past_headers(text, at, stop, headers)
        if at != stop:
            return -1
        offset = batch[BASE_OFFSET] + further
        if offset >= batch[POSITION]:
            places[START, filled] = start
            places[STOP, filled] = value_end
            places[OFFSET, filled] = offset
            places[STAMP_MS, filled] = batch[LAST_MS] if batch[APPENDED] != 0 else batch[BASE_MS] + later_ms
            filled += 1
    return filled if at == end else -1


@compiled_with_bounds
def scan(text, batches, places, state):
    """Read from state[BATCH] on, until the end or a batch for the client's parser."""
    while state[BATCH] < len(batches):
        batch = batches[state[BATCH]]
        filled = _one(text, batch, places, state[FILLED]) if batch[COUNT] >= 0 else -1
        if filled < 0:
            return
        state[FILLED] = filled
        state[BATCH] += 1


def warm_up() -> None:
    """Compile all that reads a fetch, if need be, so that no record waits for a compiler."""
    Checksums(bytes(64)).is_right(0, 64)
    none = np.zeros((1, COLUMNS), np.int64)
    scan(np.frombuffer(b"", np.uint8), none, np.zeros((PLACES, 0), np.int64), np.zeros(STATES, np.int64))

"""The records of one partition's fetch: the client finds and checks the batches, compiled code reads them.

aiokafka makes three objects for each record and copies each value, 0.4 us together.  Compiled code (`scan`)
says where the values lie instead, 0.03 us.  What is not plain (an old format, a codec that we do not know,
anything that `scan` does not recognise) the client's own parser reads: it is the judge.

The bytes are the client's private matter: `keep_bytes` puts a class in the place of its `MemoryRecords` that
does not forget them.  That is done for the versions named here alone; beside any other it is said loudly, and
the client's parser reads everything, at its price.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from struct import Struct
from typing import Any, Final, NamedTuple

import aiokafka
import numpy as np
from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from numpy.typing import NDArray

from monitor.edge.kafka_in import layout
from monitor.edge.kafka_in.part import joined

SEEN_FROM_INSIDE: Final = frozenset({"0.14.0"})  # versions of aiokafka of which this was tried

# Offset, size after it, leader's epoch, magic, checksum, attributes, last offset, first and last time,
# producer's id, epoch and sequence, records.
HEADER: Final = Struct(">qiibIhiqqqhii")
NO_HEADER: Final = (0,) * 12 + (layout.NOT_PLAIN,)
ATTRIBUTES: Final = 5
SIZED: Final = 12  # bytes of the offset and the size, which the size does not count
MAGIC_AT: Final = 16
MAGIC: Final = 2
CODEC_BITS: Final = 7
APPENDED_BIT: Final = 8  # the broker stamped the records when it appended them
CONTROL_BIT: Final = 32
CODECS: Final[dict[int, Callable[[bytes], bytes]]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}

# Below these the client's objects cost less than compiled code and its tables; and who reads a handful of
# messages (a person's command) never waits half a second for the compiler's library.
RECORDS_MIN: Final = 64
RECORDS_A_BATCH_MIN: Final = 4
CHECK_BYTES_MIN: Final = 8_192

OFFSET: Final = attrgetter("offset")
VALUE: Final = attrgetter("value")
STAMP: Final = attrgetter("timestamp")


class CorruptBatchError(Exception):
    """A batch whose checksum, compression or records are broken."""

    def __init__(self, end: int, cause: str) -> None:
        super().__init__(cause)
        self.end = end  # the offset after it, as far as its header can be believed


class Kept(MemoryRecords):  # type: ignore[misc]  # aiokafka brings no types that mypy reads
    """The client's fetched bytes, still in sight."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


def keep_bytes() -> None:
    """From the next fetch on, of every consumer in this process."""
    if fetcher.MemoryRecords is Kept:
        return
    if aiokafka.__version__ in SEEN_FROM_INSIDE and fetcher.MemoryRecords is MemoryRecords:
        fetcher.MemoryRecords = Kept
    else:
        logging.getLogger(__name__).warning(
            "aiokafka %s is not known from inside (known: %s): its own parser reads the records, more slowly",
            aiokafka.__version__,
            ", ".join(sorted(SEEN_FROM_INSIDE)),
        )


@dataclass(frozen=True, slots=True)
class Records:
    """Where the values lie in `text`, and what else is known of each; a missing value is an empty one."""

    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stamps_ms: NDArray[np.int64]
    next_offset: int  # to read next


_Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class _Batch(NamedTuple):
    """One that is whole by its checksum."""

    of_client: Any
    position: int  # records before it were read
    end: int  # the offset after it
    at: int  # where it lies in the fetched bytes, if they are in sight
    stop: int


def read(fetched: Any, position: int) -> Records:
    """All records from `position` on.

    Behind a broken batch nothing is read: what came before it is good, and the next fetch begins with it.
    Raises `CorruptBatchError` if nothing came before it.
    """
    raw: bytes | None = getattr(fetched, "raw", None)
    batches, next_offset, broken = _whole(fetched, raw, position)
    count = next_offset - position  # about
    making = _Making()
    if raw is not None and count >= max(RECORDS_MIN, RECORDS_A_BATCH_MIN * len(batches)):
        for_client = making.scanned(raw, batches)
    else:
        for_client = iter(batches)
    for batch in for_client:
        if batch.of_client.is_control_batch:  # marks of transactions are no records
            continue
        try:
            making.add(batch)
        except Exception as error:  # noqa: BLE001 - whatever the client's parser stumbles over
            broken = CorruptBatchError(max(batch.end, batch.position + 1), repr(error))
            next_offset = batch.position
            break
    records = making.records(next_offset)
    if broken is not None and not len(records.offsets):
        raise broken
    return records


def _whole(
    fetched: Any, raw: bytes | None, position: int
) -> tuple[list[_Batch], int, CorruptBatchError | None]:
    """Batches up to the end or the first whose checksum is wrong, and the offset to read after them."""
    batches: list[_Batch] = []
    is_right = _quick_check(raw)
    at = stop = 0
    while fetched.has_next():
        end = position
        try:
            batch = fetched.next_batch()
            end = max(batch.next_offset, end)
            if raw is not None:
                at, stop = stop, stop + SIZED + int.from_bytes(raw[stop + 8 : stop + SIZED], "big")
            if not (is_right(at, stop) or batch.validate_crc()):
                raise ValueError("checksum")  # noqa: TRY301 - the same road as a header that breaks
        except Exception as error:  # noqa: BLE001 - whatever the client's parser stumbles over
            return batches, position, CorruptBatchError(max(end, position + 1), repr(error))
        batches.append(_Batch(batch, position, end, at, stop))
        position = end
    return batches, position, None


def _quick_check(raw: bytes | None) -> Callable[[int, int], bool]:
    """Whether the batch at a place is right by its checksum; "no" is for the client to say."""
    if raw is None or len(raw) < CHECK_BYTES_MIN:
        return lambda _at, _stop: False
    from monitor.edge.kafka_in.checksum import Checksums  # noqa: PLC0415 - loads the compiler's library

    checksums = Checksums(raw)
    return lambda at, stop: (
        stop - at >= CHECK_BYTES_MIN and raw[at + MAGIC_AT] == MAGIC and checksums.is_right(at, stop)
    )


class _Making:
    """Records from both parsers, in the order in which they lie in the fetch."""

    def __init__(self) -> None:
        self._of_client: list[Any] = []  # its objects that are no columns yet
        self._texts: list[bytes] = []
        self._size = 0
        self._runs: list[_Columns] = []

    def add(self, batch: _Batch) -> None:
        """As the client reads it; raises what it raises."""
        records = list(batch.of_client)
        if records and records[0].offset < batch.position:  # compacted or read in part
            records = [record for record in records if record.offset >= batch.position]
        self._of_client += records

    def scanned(self, raw: bytes, batches: list[_Batch]) -> Iterator[_Batch]:
        """Take what compiled code can read; those that it cannot are given out, each in its turn."""
        from monitor.edge.kafka_in.scan import scan  # noqa: PLC0415 - loads the compiler's library

        text, table = _table(raw, batches)
        self._texts, self._size = [text], len(text)
        places = np.empty((layout.PLACES, int(np.maximum(table[:, layout.COUNT], 0).sum())), np.int64)
        state = np.zeros(layout.STATES, np.int64)
        while True:
            first = state[layout.FILLED]
            scan(np.frombuffer(text, np.uint8), table, places, state)  # type: ignore[no-untyped-call]
            if first < state[layout.FILLED]:
                self._settle()
                starts, ends, offsets, stamps_ms = places[:, first : state[layout.FILLED]]
                self._runs.append((starts, ends, offsets, stamps_ms))
            if state[layout.BATCH] == len(batches):
                return
            yield batches[state[layout.BATCH]]
            state[layout.BATCH] += 1

    def records(self, next_offset: int) -> Records:
        self._settle()
        text = self._texts[0] if len(self._texts) == 1 else b"".join(self._texts)
        if len(self._runs) == 1:
            return Records(text, *self._runs[0], next_offset)
        none = (np.zeros(0, np.int64),) * layout.PLACES
        starts, ends, offsets, stamps_ms = map(np.concatenate, zip(none, *self._runs, strict=True))
        return Records(text, starts, ends, offsets, stamps_ms, next_offset)

    def _settle(self) -> None:
        """Make columns of the client's objects."""
        records = self._of_client
        if records:
            values = list(map(VALUE, records))
            text, starts, ends = joined([value or b"" for value in values] if None in values else values)
            offsets = np.fromiter(map(OFFSET, records), np.int64, len(records))
            stamps = list(map(STAMP, records))
            if None in stamps:  # the oldest format has no times
                stamps = [stamp or 0 for stamp in stamps]
            self._runs.append((starts + self._size, ends + self._size, offsets, np.array(stamps, np.int64)))
            self._texts.append(text)
            self._size += len(text)
            self._of_client = []


def _table(raw: bytes, batches: list[_Batch]) -> tuple[bytes, NDArray[np.int64]]:
    """The bytes that compiled code is to read, decompressed where need be, and its table of batches."""
    headers = [
        HEADER.unpack_from(raw, batch.at)
        if batch.stop - batch.at >= HEADER.size and raw[batch.at + MAGIC_AT] == MAGIC
        else NO_HEADER
        for batch in batches
    ]
    payloads = [(min(batch.at + HEADER.size, batch.stop), batch.stop) for batch in batches]
    text = raw
    if any(header[ATTRIBUTES] & CODEC_BITS for header in headers):
        pieces = [
            _decompressed(header[ATTRIBUTES] & CODEC_BITS, raw[begin:end])
            for header, (begin, end) in zip(headers, payloads, strict=True)
        ]
        ends = list(itertools.accumulate(map(len, pieces)))
        payloads = list(zip((0, *ends), ends, strict=False))
        text = b"".join(pieces)
    table = np.array(
        [
            _row(header, *payload, batch.position)
            for header, payload, batch in zip(headers, payloads, batches, strict=True)
        ],
        np.int64,
    )
    return text, table


def _row(header: tuple[int, ...], begin: int, end: int, position: int) -> tuple[int, ...]:
    """Of the compiled reader's table.  Nothing, or more than the bytes can hold, is for the client to say."""
    base_offset, _, _, _, _, attributes, _, first_ms, last_ms, _, _, _, count = header
    if attributes & CONTROL_BIT:  # a mark of a transaction is no record
        begin, count = end, 0
    elif not 0 < count <= (end - begin) // layout.RECORD_BYTES_MIN:
        count = layout.NOT_PLAIN
    return begin, end, count, base_offset, first_ms, last_ms, attributes & APPENDED_BIT, position


def _decompressed(codec_id: int, payload: bytes) -> bytes:
    """Nothing, where that fails: no record fits in it, so the client's parser decides."""
    if codec_id == 0:
        return payload
    try:
        return CODECS[codec_id](payload)
    except Exception:  # noqa: BLE001 - each codec's library has errors of its own
        return b""

"""Taking fetched records out of aiokafka at half the price of its `getmany`.

`getmany` builds a `ConsumerRecord` for each record: half of its 1.6 us.  Here a fetched
batch is turned into columns at once.  It reaches into the fetcher's queue, so the version
of aiokafka is bounded in `pyproject.toml`, and a test holds that both ways say the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError

from monitor.edge.kafka_in.fencing import FencingClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aiokafka import AIOKafkaConsumer, TopicPartition
    from numpy.typing import NDArray

NS_PER_MS: Final = 1_000_000
VALUE: Final = attrgetter("value")  # half the price of a comprehension, for each record that there is
STAMP: Final = attrgetter("timestamp")

# One partition's fetch is at most 0.5 MB, 2,400 events of 220 bytes.  A chunk ends when it has this many, so
# that the engine is never away from its timers for more than some 10 ms, and a chunk's rows stay below 4 MB,
# above which memory is mapped apart and each page of it costs a fault.
CHUNK_RECORDS: Final = 4_096


class CorruptBatchError(Exception):
    """A batch whose checksum, compression or records are broken."""

    def __init__(self, end: int, cause: str) -> None:
        super().__init__(cause)
        self.end = end  # the offset after it, as far as its header can be believed


@dataclass(frozen=True, slots=True)
class Part:
    """Records of one partition in order; a record without a value (a tombstone) is empty bytes."""

    topic: str
    partition: int
    values: list[bytes]
    offsets: NDArray[np.int64]
    arrived_ns: NDArray[np.int64]  # the broker's time, or the producer's where the topic says so; 0: none
    next_offset: int  # to read next: past marks of transactions, which have offsets and are no records
    end_offset: int  # after the last record that the broker had when it sent these


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was there, partition by partition, in the order in which it came."""

    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(len(part.values) for part in self.parts)


def chunks(parts: list[Part]) -> Iterator[Chunk]:
    """The same parts in pieces of a bounded size; those without records are left out."""
    piece: list[Part] = []
    records = 0
    for part in parts:
        if part.values:
            piece.append(part)
            records += len(part.values)
        if records >= CHUNK_RECORDS:
            yield Chunk(tuple(piece))
            piece, records = [], 0
    if piece:
        yield Chunk(tuple(piece))


class Drain:
    """The fetched records of one consumer, whose fetches say by which leaders' logs they are meant."""

    def __init__(self, consumer: AIOKafkaConsumer, epochs: Mapping[tuple[str, int], int]) -> None:
        self._consumer = consumer
        self._fetcher: Any = consumer._fetcher
        self._fetcher._client = client = FencingClient(self._fetcher._client, epochs)
        self.fenced = client.fenced  # partitions whose leader is another, and the node that it is

    async def wait(self, timeout_s: float) -> None:
        """Until something was fetched, or the time is over."""
        waiter = self._fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=timeout_s)
        if not waiter.done():
            waiter.cancel()
        elif waiter.exception() is not None:
            raise waiter.exception()

    def wake(self) -> None:
        for waiter in list(self._fetcher._fetch_waiters):
            self._fetcher._notify(waiter)

    def pending(self, partition: TopicPartition) -> bool:
        """Something of this partition was fetched and not yet taken."""
        return partition in self._fetcher._records

    def take(self, on_error: Callable[[TopicPartition, Exception], None]) -> list[Part]:
        """All that was fetched, so that the next fetch can begin; what is wrong goes to `on_error`.

        A part may be without records, where only its position moved.
        """
        fetcher = self._fetcher
        if fetcher._fetch_task.done():
            raise KafkaError("the client's fetching ended")
        parts: list[Part] = []
        for partition in list(fetcher._records):
            fetched = fetcher._records.pop(partition)
            fetcher._notify(fetcher._wait_consume_future)
            if type(fetched) is not FetchResult:
                on_error(partition, fetched._error)
            elif fetched.check_assignment(partition) and fetched.has_more():
                try:
                    parts.append(self._part(partition, fetched))
                except CorruptBatchError as broken:
                    on_error(partition, broken)
        return parts

    def _part(self, partition: TopicPartition, fetched: FetchResult) -> Part:
        unread = fetched._partition_records
        batches = unread._records
        found: list[Any] = []
        while batches.has_next():
            position = unread.next_fetch_offset
            try:
                batch = batches.next_batch()
                end = max(batch.next_offset, position + 1)
            except Exception as broken:
                raise CorruptBatchError(position + 1, repr(broken)) from broken
            try:
                if not batch.validate_crc():
                    raise ValueError("checksum")  # noqa: TRY301 - the same road as a record that breaks
                # Marks of transactions are no records; of a compacted or half-read batch some lie behind us.
                if not batch.is_control_batch:
                    records = list(batch)
                    if records and records[0].offset < position:
                        records = [record for record in records if record.offset >= position]
                    found += records
            except Exception as broken:
                if found:
                    break  # what came before it is good; it comes again with the next fetch
                raise CorruptBatchError(end, repr(broken)) from broken
            unread.next_fetch_offset = end
        fetched._update_position()
        count = len(found)
        return Part(
            partition.topic,
            partition.partition,
            _values(found),
            _offsets(found, count),
            np.maximum(np.fromiter(map(STAMP, found), np.int64, count), 0) * NS_PER_MS,
            unread.next_fetch_offset,
            self._consumer.highwater(partition),
        )


def _values(found: list[Any]) -> list[bytes]:
    """A record without a value (a tombstone) is empty bytes."""
    values = list(map(VALUE, found))
    return [value or b"" for value in values] if None in values else values


def _offsets(found: list[Any], count: int) -> NDArray[np.int64]:
    """They rise: as many as lie between the first and the last are all of those between."""
    if count and found[-1].offset - found[0].offset == count - 1:
        return np.arange(found[0].offset, found[0].offset + count)
    return np.fromiter([record.offset for record in found], np.int64, count)

"""Taking fetched records out of aiokafka at a tenth of the price of its `getmany`.

`getmany` builds a `ConsumerRecord` for each record: half of its 1.6 us.  Here a fetch is turned into
columns at once (`batches`).  It reaches into the fetcher's queue, so the version of aiokafka is bounded in
`pyproject.toml`, and a test holds that both ways say the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError

from monitor.edge.kafka_in import batches
from monitor.edge.kafka_in.batches import CorruptBatchError
from monitor.edge.kafka_in.fencing import FencingClient
from monitor.edge.kafka_in.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka import AIOKafkaConsumer, TopicPartition

NS_PER_MS: Final = 1_000_000


class Drain:
    """The fetched records of one consumer, whose fetches say by which leaders' logs they are meant."""

    def __init__(self, consumer: AIOKafkaConsumer, epochs: Mapping[tuple[str, int], int]) -> None:
        batches.keep_bytes()
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
        found = batches.read(unread._records, unread.next_fetch_offset)
        unread.next_fetch_offset = found.next_offset
        fetched._update_position()
        # Its iterator, which nobody asked, holds it and so the fetched bytes, until garbage is looked for.
        unread._records_iterator = None
        return Part(
            partition.topic,
            partition.partition,
            found.text,
            found.starts,
            found.ends,
            found.offsets,
            np.maximum(found.stamps_ms, 0) * NS_PER_MS,
            found.next_offset,
            self._consumer.highwater(partition),
        )

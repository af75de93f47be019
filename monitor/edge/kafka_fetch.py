"""Reads given ranges once more: the evidence of a halt, before Kafka forgets it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

DEADLINE_S: Final = 20.0
RECORDS_MAX: Final = 10_000
BYTES_MAX: Final = 64 * 1024 * 1024  # as much as the trail takes in at once


async def fetch(
    client: Mapping[str, Any], ranges: Sequence[tuple[str, int, int, int]]
) -> list[tuple[str, int, int, bytes]]:
    """(topic, partition, offset, value) of the records in (topic, partition, first, last), at most 10,000.

    What cannot be read within 20 s is left out; the caller says how many it wanted.
    """
    found: list[tuple[str, int, int, bytes]] = []
    consumer = AIOKafkaConsumer(**client, group_id=None, enable_auto_commit=False, auto_offset_reset="none")
    try:
        async with asyncio.timeout(DEADLINE_S):
            await consumer.start()
            for topic, partition, first, last in ranges:
                await _fetch_range(consumer, TopicPartition(topic, partition), first, last, found)
    except (KafkaError, OSError, TimeoutError):
        pass  # what was read is kept, and the difference is said
    finally:
        await asyncio.wait({asyncio.ensure_future(consumer.stop())}, timeout=2.0)
    return found


async def _fetch_range(
    consumer: AIOKafkaConsumer,
    partition: TopicPartition,
    first: int,
    last: int,
    found: list[tuple[str, int, int, bytes]],
) -> None:
    consumer.assign([partition])
    consumer.seek(partition, first)
    position, left = first, BYTES_MAX - sum(len(value) for *_, value in found)
    while position <= last and len(found) < RECORDS_MAX and left > 0:
        got = await consumer.getmany(partition, timeout_ms=500, max_records=min(last - position + 1, 1_000))
        for record in got.get(partition, ()):
            position = record.offset + 1
            if record.offset > last:
                return
            found.append((partition.topic, partition.partition, record.offset, record.value or b""))
            left -= len(found[-1][-1])

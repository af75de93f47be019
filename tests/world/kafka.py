"""Simulated Kafka: logs that are appended to, cut, deleted and made again, and clients that see them late.

The monitor's own readers and producers run on these clients: what they make of a silence, a hole
or an offset out of range is the product's.  Bytes that were sent arrive even if the sender dies.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import numpy as np
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndTimestamp

from monitor.edge.kafka_in.metadata import TopicNow
from monitor.edge.kafka_in.part import Part
from tests.world.loop import PROCESS

REQUEST_S: Final = 2.0  # after it a producer says that nothing was answered
ANSWER_S_MAX: Final = 0.8  # of a broker that is there
FETCH_RECORDS_MAX: Final = 2_000
MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    at_ns: int  # the broker's time
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Log:
    """One partition."""

    records: list[Record] = field(default_factory=list)
    start: int = 0
    end: int = 0
    leader: bool = True  # else nobody answers
    frozen: bool = False  # answers, says how long it is, and brings nothing

    def append(self, key: bytes | None, value: bytes | None, at_ns: int) -> Record:
        record = Record(self.end, at_ns, key, value)
        self.records.append(record)
        self.end += 1
        return record

    def mark(self) -> None:
        """An offset that holds no record: the end of a transaction."""
        self.end += 1

    def read(self, offset: int, count: int) -> list[Record]:
        if not self.records or offset > self.records[-1].offset:
            return []
        first = bisect.bisect_left(self.records, offset, key=lambda record: record.offset)
        return self.records[first : first + count]

    def cut_front(self, start: int) -> None:
        self.start = max(self.start, min(start, self.end))
        self.records = self.read(self.start, len(self.records))

    def cut_back(self, end: int) -> None:
        self.end = max(self.start, end)
        self.records = [record for record in self.records if record.offset < self.end]


@dataclass(slots=True)
class Topic:
    id: bytes
    logs: list[Log]


class Cluster:
    """All brokers together.  `on_append` sees each record that is taken."""

    def __init__(self, loop: Any, now_ns: Callable[[], int], chance: Random) -> None:
        self.loop, self.now_ns, self.chance = loop, now_ns, chance
        self.up = True
        self.idle = 1.0  # how long a broker waits for records, in tenths of a second
        self.slow = 1.0  # what every answer is late by, times
        self.ack_loss = 0.0  # share of what is taken and not acknowledged
        self.odd = False  # the client's own code fails, in a way that nobody foresaw
        self.topics: dict[str, Topic] = {}
        self.on_append: list[Callable[[str, int, Record], None]] = []
        self._made = 0

    def make(self, name: str, partitions: int) -> Topic:
        """Make a topic, or the same name anew: another id, empty."""
        self._made += 1
        topic = self.topics[name] = Topic(self._made.to_bytes(16, "big"), [Log() for _ in range(partitions)])
        return topic

    def log(self, partition: TopicPartition) -> Log | None:
        topic = self.topics.get(partition.topic)
        return topic.logs[partition.partition] if topic and partition.partition < len(topic.logs) else None

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Record:
        record = self.topics[topic].logs[partition].append(key, value, self.now_ns() // MS * MS)
        for told in self.on_append:
            told(topic, partition, record)
        return record

    def delay_s(self) -> float:
        """Of one answer: some milliseconds, at times far more."""
        chance = self.chance
        quick = chance.uniform(0.001, 0.02)
        usual = quick if chance.random() < 0.97 else chance.uniform(0.02, 0.4)
        return min(self.slow * usual, ANSWER_S_MAX)

    async def answer(self) -> None:
        """One question and its answer; raises if nobody is there."""
        await asyncio.sleep(self.delay_s())
        if not self.up:
            raise KafkaConnectionError("no broker answers")
        if self.odd:
            raise ZeroDivisionError("an error of the library")


class Consumer:
    """What the monitor's reader asks of aiokafka's."""

    cluster: Cluster  # set for a run

    def __init__(self, **settings: Any) -> None:
        self._positions: dict[TopicPartition, int] = {}
        self._polled: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self.fetched: dict[TopicPartition, list[Record] | Exception] = {}
        self.has_news = False
        self.waiter: asyncio.Future[None] = self.cluster.loop.create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.cluster.answer()
        self._task = asyncio.ensure_future(self._fetch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def assignment(self) -> Any:
        return self._positions.keys()

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._positions = dict.fromkeys(partitions, 0)
        self._polled.clear()
        self.fetched.clear()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset
        self.fetched.pop(partition, None)

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self._polled.get(partition)

    def highwater(self, partition: TopicPartition) -> int | None:
        return self._ends.get(partition)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: (await self._ask(one)).start for one in partitions}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: (await self._ask(one)).end for one in partitions}

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        found: dict[TopicPartition, Any] = {}
        for partition, at_ms in times.items():
            log = await self._ask(partition)
            later = [record for record in log.records if record.at_ns >= at_ms * MS]
            found[partition] = OffsetAndTimestamp(later[0].offset, later[0].at_ns // MS) if later else None
        return found

    async def _ask(self, partition: TopicPartition) -> Log:
        await self.cluster.answer()
        log = self.cluster.log(partition)
        if log is None or not log.leader:
            raise KafkaConnectionError(f"{partition} has no leader")
        return log

    async def _fetch(self) -> None:
        """Ask for all partitions, again and again, as long as nobody says stop."""
        cluster, wait_s = self.cluster, 0.0
        while True:
            await asyncio.sleep(wait_s + cluster.delay_s())
            if not cluster.up:
                wait_s = 0.1
                continue
            brought = sum(self._fetch_one(partition) for partition in list(self._positions))
            wait_s = 0.0 if brought else cluster.idle * cluster.chance.uniform(0.05, 0.1)  # the broker waits

    def _fetch_one(self, partition: TopicPartition) -> int:
        log, position = self.cluster.log(partition), self._positions[partition]
        if log is None or not log.leader or partition in self.fetched:
            return 0
        self._polled[partition] = self.cluster.loop.now_ns
        self._ends[partition] = log.end
        if not log.start <= position <= log.end:
            self.fetched[partition] = OffsetOutOfRangeError({partition: position})
        elif log.frozen or position == log.end:
            return 0
        else:
            chance = self.cluster.chance
            most = chance.choice((1, 2, 5, 20, 100, 700, FETCH_RECORDS_MAX))
            self.fetched[partition] = log.read(position, most)
        self.tell()
        return 1

    def tell(self) -> None:
        self.has_news = True
        self.wake()

    def wake(self) -> None:
        if not self.waiter.done():
            self.waiter.set_result(None)

    def take(self, partition: TopicPartition, records: list[Record]) -> Part:
        log = self.cluster.log(partition)
        assert log is not None
        last = records[-1].offset if records else self._positions[partition] - 1
        following = log.read(last + 1, 1)
        after = following[0].offset if following else max(log.end, last + 1)
        self._positions[partition] = after
        return Part.of(
            partition.topic,
            partition.partition,
            [record.value or b"" for record in records],
            np.array([record.offset for record in records], np.int64),
            np.array([record.at_ns for record in records], np.int64),
            after,
            max(self._ends[partition], after),
        )


class Drain:
    """What was fetched, in the place of the reach into aiokafka's own queue."""

    def __init__(self, consumer: Consumer, _epochs: Mapping[tuple[str, int], int]) -> None:
        self._consumer = consumer
        self.fenced: dict[tuple[str, int], int] = {}  # offsets alone tell here of a log that was cut

    async def wait(self, timeout_s: float) -> None:
        consumer = self._consumer
        if not consumer.has_news:
            consumer.waiter = self._consumer.cluster.loop.create_future()
            timer = consumer.cluster.loop.call_later(timeout_s, consumer.wake)
            try:
                await consumer.waiter
            finally:
                timer.cancel()

    def wake(self) -> None:
        self._consumer.tell()

    def pending(self, partition: TopicPartition) -> bool:
        return partition in self._consumer.fetched

    def take(self, on_error: Callable[[TopicPartition, Exception], None]) -> list[Part]:
        consumer = self._consumer
        consumer.has_news = False
        parts = []
        for partition in list(consumer.fetched):
            found = consumer.fetched.pop(partition)
            if isinstance(found, Exception):
                on_error(partition, found)
            elif partition in consumer.assignment():
                parts.append(consumer.take(partition, found))
        return parts


class Producer:
    """What the monitor's producers ask of aiokafka's."""

    cluster: Cluster

    async def start(self) -> None:
        await self.cluster.answer()

    async def send(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, headers: Any = None
    ) -> asyncio.Future[Any]:
        await asyncio.sleep(0)
        promise: asyncio.Future[Any] = self.cluster.loop.create_future()
        process = PROCESS.get()
        if process is None or process.alive:
            self._leave(topic, key, value, promise, self.cluster.loop.time() + REQUEST_S)
        return promise

    def _leave(
        self, topic: str, key: bytes | None, value: bytes | None, promise: asyncio.Future[Any], until_s: float
    ) -> None:
        """It is on the wire: what happens now happens outside of any process."""
        self.cluster.loop.call_later(
            self.cluster.delay_s(), self._reach, topic, key, value, promise, until_s, context=Context()
        )

    def _reach(
        self, topic: str, key: bytes | None, value: bytes | None, promise: asyncio.Future[Any], until_s: float
    ) -> None:
        cluster, loop = self.cluster, self.cluster.loop
        if cluster.up and cluster.topics[topic].logs[0].leader:
            record = cluster.append(topic, 0, key, value)
            if cluster.chance.random() >= cluster.ack_loss:
                loop.call_later(cluster.delay_s(), _settle, promise, record, context=Context())
            else:
                late = KafkaTimeoutError("no acknowledgement")
                loop.call_later(max(0.0, until_s - loop.time()), _settle, promise, late, context=Context())
        elif loop.time() < until_s:
            loop.call_later(0.1, self._reach, topic, key, value, promise, until_s, context=Context())
        else:
            _settle(promise, KafkaTimeoutError("no broker took it"))


class Express:
    """The short way past a producer: no second tries, and what is under way when it breaks is lost or not."""

    def __init__(self, producer: Producer, topics: Iterable[str]) -> None:
        self._cluster, self._topics = producer.cluster, frozenset(topics)
        self.is_open = False

    async def open(self) -> None:
        await self._cluster.answer()
        self.is_open = True

    def post(self, topic: str, key: bytes, value: bytes | None) -> Answer | None:
        cluster, process = self._cluster, PROCESS.get()
        if topic not in self._topics or not self.is_open:
            return None
        promise: asyncio.Future[Any] = cluster.loop.create_future()
        if process is None or process.alive:
            cluster.loop.call_later(
                cluster.delay_s(), self._reach, topic, key, value, promise, context=Context()
            )
        return Answer(promise)

    def _reach(self, topic: str, key: bytes, value: bytes | None, promise: asyncio.Future[Any]) -> None:
        cluster = self._cluster
        if not cluster.up or not cluster.topics[topic].logs[0].leader:
            self.is_open = cluster.up
            _settle(promise, KafkaConnectionError("the connection broke, or leads to no leader"))
            return
        record = cluster.append(topic, 0, key, value)
        if cluster.chance.random() >= cluster.ack_loss:
            cluster.loop.call_later(cluster.delay_s(), _settle, promise, record, context=Context())
        else:
            late = KafkaTimeoutError("no acknowledgement")
            cluster.loop.call_later(REQUEST_S, _settle, promise, late, context=Context())


class Answer:
    """What an express message waits for."""

    def __init__(self, promise: asyncio.Future[Any]) -> None:
        self._promise = promise

    async def heard(self) -> None:
        await self._promise

    def close(self) -> None:
        """Nothing of it holds anything open."""


def _settle(promise: asyncio.Future[Any], outcome: Record | Exception) -> None:
    if promise.done():
        return
    if isinstance(outcome, Exception):
        promise.set_exception(outcome)
        promise.exception()  # nobody may be left to look at it
    else:
        promise.set_result(outcome)


async def close(producer: Producer) -> None:
    """Nothing of it holds anything open."""


async def topics_now(reader: Any, consumer: Consumer) -> dict[str, TopicNow]:
    """In the place of the reader's question for topics and their ids; unanswered, what was known stays."""
    try:
        await consumer.cluster.answer()
    except KafkaConnectionError:
        known: dict[str, set[int]] = {}
        for topic, partition in reader.positions:
            known.setdefault(topic, set()).add(partition)
        return {topic: TopicNow(b"", frozenset(parts)) for topic, parts in known.items()}
    topics = consumer.cluster.topics
    return {
        name: TopicNow(topics[name].id, frozenset(range(len(topics[name].logs))))
        for name in reader._sources
        if name in topics
    }

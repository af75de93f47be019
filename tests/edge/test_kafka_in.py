"""What Kafka has is read once, in order; what it no longer has is said."""

import asyncio
import contextlib
import gc
import time

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import FetchError, PartitionRecords
from aiokafka.errors import RecordTooLargeError

from monitor.core.inputs import LinkChanged
from monitor.edge.embedded import EmbeddedKafka
from monitor.edge.kafka_in import Bearings, Chunk, Gap, KafkaIn, Source, Started
from monitor.edge.kafka_in.batches import CorruptBatchError
from monitor.edge.kafka_in.drain import Drain

TOPIC = "trading.telemetry.v1"
DEADLINE_S = 15


@pytest.fixture
async def kafka():
    async with EmbeddedKafka(brokers=2, topics={TOPIC: 2}) as cluster:
        yield cluster


@pytest.fixture
async def producer(kafka):
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers,
        acks="all",
        enable_idempotence=False,
        request_timeout_ms=2000,
        metadata_max_age_ms=500,
    )
    await producer.start()
    yield producer
    await producer.stop()


def reader(kafka, *sources, **options):
    return KafkaIn(
        {"bootstrap_servers": kafka.bootstrap_servers},
        sources or (Source(TOPIC),),
        now_ns=time.time_ns,
        **options,
    )


class Facts:
    """What a reader said so far, and waiting for more."""

    def __init__(self, kafka_in):
        self.kafka_in = kafka_in
        self.all = []
        self._more = asyncio.Event()

    async def follow(self):
        async for fact in self.kafka_in.read():
            self.all.append(fact)
            self._more.set()

    def values(self, partition=None, topic=TOPIC):
        return [
            value
            for fact in self.all
            if isinstance(fact, Chunk)
            for part in fact.parts
            if part.topic == topic and partition in (None, part.partition)
            for value in part.values
        ]

    def of(self, kind):
        return [fact for fact in self.all if isinstance(fact, kind)]

    async def until(self, true):
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self._more.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), 0.2)


@contextlib.asynccontextmanager
async def reading(kafka_in):
    facts = Facts(kafka_in)
    tasks = [asyncio.ensure_future(kafka_in.run()), asyncio.ensure_future(facts.follow())]
    try:
        yield facts
        assert not [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send(producer, first, count, partition=0, topic=TOPIC):
    for n in range(first, first + count):
        await producer.send(topic, b"%d" % n, partition=partition)
    await producer.flush()


def numbers(first, count):
    return [b"%d" % n for n in range(first, first + count)]


async def test_all_is_read_from_the_beginning_and_then_as_it_comes(kafka, producer):
    await send(producer, 0, 500)
    await send(producer, 0, 300, partition=1)
    async with reading(reader(kafka)) as facts:
        await facts.until(lambda: len(facts.values()) == 800)
        await send(producer, 500, 10)
        await facts.until(lambda: len(facts.values()) == 810)
        assert facts.values(0) == numbers(0, 510)
        assert facts.values(1) == numbers(0, 300)
        assert {(s.partition, s.offset, s.why) for s in facts.of(Started)} == {
            (0, 0, "beginning"),
            (1, 0, "beginning"),
        }
        await facts.until(facts.kafka_in.caught_up)
        assert {lag.records for lag in facts.kafka_in.lag().values()} == {0}
    offsets = np.concatenate(
        [part.offsets for c in facts.of(Chunk) for part in c.parts if part.partition == 0]
    )
    assert offsets.tolist() == list(range(510))
    arrived = [part.arrived_ns for c in facts.of(Chunk) for part in c.parts]
    assert all((times > 1_600_000_000 * 10**9).all() for times in arrived)


async def test_both_ways_out_of_the_client_say_the_same(kafka, producer):
    await send(producer, 0, 700)
    await producer.send_and_wait(TOPIC, None, key=b"tombstone", partition=0)

    async def consumer():
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=None,
            auto_offset_reset="none",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        consumer.assign([TopicPartition(TOPIC, 0)])
        consumer.seek(TopicPartition(TOPIC, 0), 3)  # in the middle of a batch
        return consumer

    theirs, ours = await consumer(), await consumer()
    expected, values, offsets, times = [], [], [], []
    drain = Drain(ours, {})
    async with asyncio.timeout(DEADLINE_S):
        while len(expected) < 698:
            for records in (await theirs.getmany(timeout_ms=100)).values():
                expected += records
        while len(values) < 698:
            await drain.wait(0.1)
            for part in drain.take(lambda _, error: pytest.fail(repr(error))):
                values += part.values
                offsets += part.offsets.tolist()
                times += part.arrived_ns.tolist()
                assert part.end_offset == 701
    assert values == [record.value or b"" for record in expected]
    assert offsets == [record.offset for record in expected]
    assert times == [record.timestamp * 1_000_000 for record in expected]
    await theirs.stop()
    await ours.stop()


async def test_a_fetch_is_let_go_when_it_is_read_and_not_when_garbage_is_looked_for(kafka, producer):
    gc.collect()
    gc.disable()
    try:
        async with reading(reader(kafka)) as facts:
            for first in range(0, 200, 10):
                await send(producer, first, 10)
                await facts.until(lambda all_of=first + 10: len(facts.values()) == all_of)
            held = sum(type(one) is PartitionRecords for one in gc.get_objects())
    finally:
        gc.enable()
    assert held <= 2  # of twenty


async def test_a_snapshot_says_where_to_begin_and_new_partitions_are_read_whole(kafka, producer):
    await send(producer, 0, 20)
    await send(producer, 0, 5, partition=1)
    async with reading(reader(kafka, start={(TOPIC, 0): 12})) as facts:
        await facts.until(lambda: len(facts.values()) == 13)
    assert facts.values(0) == numbers(12, 8)
    assert {(s.partition, s.offset, s.why) for s in facts.of(Started)} == {
        (0, 12, "snapshot"),
        (1, 0, "new_partition"),
    }


async def test_an_instance_reads_its_partitions_and_the_reference_topic_whole(kafka, producer):
    kafka.topic_create("trading.reference.v1", 3)
    await send(producer, 0, 5)
    await send(producer, 0, 7, partition=1)
    await send(producer, 0, 2, partition=2, topic="trading.reference.v1")
    sources = Source(TOPIC), Source("trading.reference.v1", whole=True)
    async with reading(reader(kafka, *sources, partitions=frozenset({1}))) as facts:
        await facts.until(
            lambda: len(facts.values()) == 7 and len(facts.values(2, "trading.reference.v1")) == 2
        )
    assert facts.values(0) == []


async def test_what_retention_took_is_a_gap_and_never_a_silent_jump(kafka, producer):
    await send(producer, 0, 30)
    kafka.records_delete(TOPIC, 0, 20)
    async with reading(reader(kafka, start={(TOPIC, 0): 4, (TOPIC, 1): 0})) as facts:
        await facts.until(lambda: len(facts.values()) == 10)
    assert facts.of(Gap) == [Gap(TOPIC, 0, 4, 20, "retention")]
    assert facts.values(0) == numbers(20, 10)


async def test_an_end_before_our_position_is_a_gap_that_goes_back(kafka, producer):
    await send(producer, 0, 6)
    async with reading(reader(kafka, start={(TOPIC, 0): 1_000_000, (TOPIC, 1): 0})) as facts:
        await facts.until(lambda: facts.of(Gap))
        await send(producer, 6, 3)
        await facts.until(facts.values)
    assert facts.of(Gap) == [Gap(TOPIC, 0, 1_000_000, 6, "truncated")]
    assert facts.values(0) == numbers(6, 3)


async def test_a_topic_made_again_is_told_by_its_id_alone(kafka, producer):
    await send(producer, 0, 6)
    kafka_in = reader(
        kafka, start={(TOPIC, 0): 5, (TOPIC, 1): 0}, bearings=Bearings({TOPIC: bytes(range(16))})
    )
    async with reading(kafka_in) as facts:
        await facts.until(lambda: len(facts.values()) == 6)
    assert {(gap.partition, gap.first, gap.end, gap.why) for gap in facts.of(Gap)} == {
        (0, 5, 0, "recreated"),
        (1, 0, 0, "recreated"),
    }
    assert len(kafka_in.bearings.topic_ids[TOPIC]) == 16


async def test_a_topic_that_comes_later_is_noticed_within_five_seconds(kafka, producer):
    async with reading(reader(kafka, Source(TOPIC), Source("later"))) as facts:
        await facts.until(
            lambda: (
                any(f.link == "later/*" and not f.up for f in facts.of(LinkChanged))
                or any(s.topic == "later" for s in facts.of(Started))
            )
        )
        await send(producer, 0, 3, topic="later")
        began = time.monotonic()
        await facts.until(lambda: len(facts.values(topic="later")) == 3)
        assert time.monotonic() - began < 5


async def test_a_dead_broker_silences_its_own_partitions_and_is_heard_of_within_two_seconds(kafka, producer):
    kafka.leader_set(TOPIC, 0, 1)
    kafka.leader_set(TOPIC, 1, 2)
    await send(producer, 0, 5)
    await send(producer, 0, 5, partition=1)
    async with reading(reader(kafka)) as facts:
        await facts.until(lambda: len(facts.values()) == 10)
        kafka.broker_down(1)
        began = time.monotonic()
        await send(producer, 5, 5, partition=1)
        await facts.until(lambda: len(facts.values(1)) == 10)
        assert time.monotonic() - began < 2
        await facts.until(lambda: any(f.link == f"{TOPIC}/0" and not f.up for f in facts.of(LinkChanged)))
        assert time.monotonic() - began < 2
        assert not [f for f in facts.of(LinkChanged) if f.link == f"{TOPIC}/1" and not f.up]
        kafka.leader_set(TOPIC, 0, 2)
        await send(producer, 5, 5)
        await facts.until(lambda: len(facts.values(0)) == 10)
        assert facts.values(0) == numbers(0, 10)
        await facts.until(
            lambda: [f.up for f in facts.of(LinkChanged) if f.link == f"{TOPIC}/0"] == [True, False, True]
        )


async def test_with_no_broker_at_all_it_says_so_with_the_address_and_tries_for_ever():
    kafka_in = KafkaIn({"bootstrap_servers": "127.0.0.1:9"}, [Source(TOPIC)], now_ns=time.time_ns)
    async with reading(kafka_in) as facts:
        await facts.until(lambda: facts.of(LinkChanged))
        (down,) = facts.of(LinkChanged)
        assert (down.link, down.up) == ("kafka", False)
        assert "127.0.0.1:9" in down.detail


async def test_a_client_whose_fetching_ended_is_built_again_and_nothing_is_lost(kafka, producer):
    await send(producer, 0, 5)
    async with reading(reader(kafka)) as facts:
        await facts.until(lambda: len(facts.values()) == 5)
        facts.kafka_in._drain._fetcher._fetch_task.cancel()
        await send(producer, 5, 5)
        await facts.until(lambda: len(facts.values()) == 10)
        assert facts.values(0) == numbers(0, 10)
        assert [f.up for f in facts.of(LinkChanged) if f.link == "kafka"] == [True, False, True]


async def test_a_batch_that_stays_broken_is_skipped_with_its_offsets_named(kafka, producer):
    await send(producer, 0, 5)
    async with reading(reader(kafka)) as facts:
        await facts.until(lambda: len(facts.values()) == 5)
        partition = TopicPartition(TOPIC, 0)
        for _ in range(3):
            facts.kafka_in._trouble(partition, CorruptBatchError(7, "checksum"))
            await facts.until(lambda: not facts.kafka_in._troubled)
        await facts.until(lambda: facts.of(Gap))
        assert facts.of(Gap) == [Gap(TOPIC, 0, 5, 7, "corrupt")]
        await send(producer, 5, 5)
        await facts.until(lambda: len(facts.values()) == 8)
        assert facts.values() == [*numbers(0, 5), *numbers(7, 3)]


async def test_a_record_over_the_fetch_size_is_a_gap(kafka, producer):
    async with reading(reader(kafka)) as facts:
        await facts.until(lambda: len(facts.of(Started)) == 2)
        fetcher = facts.kafka_in._drain._fetcher
        fetcher._records[TopicPartition(TOPIC, 1)] = FetchError(error=RecordTooLargeError("big"), backoff=0)
        facts.kafka_in._drain.wake()
        await facts.until(lambda: facts.of(Gap))
        assert facts.of(Gap) == [Gap(TOPIC, 1, 0, 1, "too_large")]


async def test_a_loop_that_was_blocked_itself_accuses_nobody(kafka, producer):
    await send(producer, 0, 5)
    async with reading(reader(kafka)) as facts:
        await facts.until(lambda: len(facts.values()) == 5)
        time.sleep(1.8)  # noqa: ASYNC251 - the blocked loop is what this is about
        await send(producer, 5, 5)
        await facts.until(lambda: len(facts.values()) == 10)
        await asyncio.sleep(0.5)
        later = [fact for fact in facts.of(LinkChanged) if fact.detail != "its reading has not begun"]
        assert all(fact.up for fact in later)

"""On real Kafka: codecs and transactions, sessions, partitions that come, topics made again, leaders that die."""

import asyncio
import contextlib
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from monitor.core.inputs import LinkChanged
from monitor.edge.kafka_in import Gap, KafkaIn, Source, Started, scan
from monitor.edge.kafka_in.drain import Drain
from tests.edge.test_kafka_in import numbers, reading, send

scan_as_it_is = scan.scan
pytestmark = pytest.mark.real("kafka")


def reader(bootstrap_servers, *sources, **options):
    return KafkaIn({"bootstrap_servers": bootstrap_servers}, sources, now_ns=time.time_ns, **options)


async def produced(kafka, topic, first, count, partition=0, **options):
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", **options)
    await producer.start()
    try:
        await send(producer, first, count, partition, topic)
    finally:
        await producer.stop()


async def test_every_codec_is_read_and_marks_of_transactions_are_no_records(kafka, topic_name):
    kafka.create_topic(topic_name)
    for n, codec in enumerate(("gzip", "snappy", "lz4", "zstd", None)):
        await produced(kafka, topic_name, n * 100, 100, compression_type=codec)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic_name)
    await producer.start()
    async with producer.transaction():
        await producer.send(topic_name, b"500")
    await producer.stop()
    await produced(kafka, topic_name, 501, 1)
    async with reading(reader(kafka.bootstrap_servers, Source(topic_name))) as facts:
        await facts.until(lambda: len(facts.values(topic=topic_name)) == 502)
        assert facts.values(topic=topic_name) == numbers(0, 502)
        await facts.until(facts.kafka_in.caught_up)
        assert facts.kafka_in.positions == {(topic_name, 0): 503}  # the mark has an offset
    assert not facts.of(Gap)


@pytest.mark.parametrize("stamped", ["CreateTime", "LogAppendTime"])
async def test_what_is_read_is_what_the_clients_own_parser_reads(kafka, topic_name, stamped, monkeypatch):
    kafka.create_topic(topic_name, config={"message.timestamp.type": stamped})
    for n, codec in enumerate(("gzip", "snappy", "lz4", "zstd", None)):
        await produced(kafka, topic_name, n * 1_000, 1_000, compression_type=codec)
    places = []
    monkeypatch.setattr(scan, "scan", lambda *all_: (scan_as_it_is(*all_), places.append(int(all_[3][1]))))
    ours, theirs = [], []
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="none")
    await consumer.start()
    drain = Drain(consumer, {})
    partition = TopicPartition(topic_name, 0)
    consumer.assign([partition])
    async with asyncio.timeout(30):
        consumer.seek(partition, 123)  # in the middle of a batch
        while len(ours) < 4_877:
            await drain.wait(0.1)
            for part in drain.take(lambda _, error: pytest.fail(repr(error))):
                ours += zip(part.values, part.offsets.tolist(), part.arrived_ns.tolist(), strict=True)
        consumer.seek(partition, 123)
        while len(theirs) < 4_877:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                theirs += [(one.value, one.offset, one.timestamp * 1_000_000) for one in records]
    await consumer.stop()
    assert ours == theirs
    assert [value for value, _, _ in ours] == numbers(123, 4_877)
    assert sum(places) > 4_000


async def test_a_session_begins_where_its_time_says(kafka, topic_name):
    kafka.create_topic(topic_name, 2)
    await produced(kafka, topic_name, 0, 10)
    await produced(kafka, topic_name, 0, 4, partition=1)
    await asyncio.sleep(0.02)
    since_ns = time.time_ns()
    await asyncio.sleep(0.02)
    await produced(kafka, topic_name, 10, 5)
    async with reading(reader(kafka.bootstrap_servers, Source(topic_name, since_ns=since_ns))) as facts:
        await facts.until(lambda: len(facts.values(topic=topic_name)) == 5)
    assert facts.values(topic=topic_name) == numbers(10, 5)
    assert {(s.partition, s.offset, s.why) for s in facts.of(Started)} == {
        (0, 10, "session"),
        (1, 4, "nothing_since"),
    }


async def test_a_partition_that_comes_is_read_from_its_beginning_within_five_seconds(kafka, topic_name):
    kafka.create_topic(topic_name)
    since_ns = time.time_ns()
    async with reading(reader(kafka.bootstrap_servers, Source(topic_name, since_ns=since_ns))) as facts:
        await facts.until(lambda: facts.of(Started))
        kafka.add_partitions(topic_name, 2)
        began = time.monotonic()
        await produced(kafka, topic_name, 0, 3, partition=1)
        await facts.until(lambda: len(facts.values(1, topic_name)) == 3)
        assert time.monotonic() - began < 5
        assert facts.of(Started)[-1] == Started(topic_name, 1, 0, "new_partition")


async def test_a_topic_made_again_is_read_again_though_its_offsets_fit(kafka, topic_name):
    kafka.create_topic(topic_name)
    await produced(kafka, topic_name, 0, 3)
    async with reading(reader(kafka.bootstrap_servers, Source(topic_name))) as facts:
        await facts.until(lambda: len(facts.values(topic=topic_name)) == 3)
        kafka.delete_topic(topic_name)
        kafka.create_topic(topic_name)
        await produced(kafka, topic_name, 100, 5)
        await facts.until(lambda: len(facts.values(topic=topic_name)) >= 8)
    assert [gap.why for gap in facts.of(Gap)] == ["recreated"]
    values = facts.values(topic=topic_name)
    assert values[:3] == numbers(0, 3)
    assert values[-5:] == numbers(100, 5)


async def test_a_feed_that_goes_deaf_is_said_to_be_down_within_two_seconds(kafka, topic_name):
    kafka.create_topic(topic_name)
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(kafka.proxy())
        kafka_in = reader(f"127.0.0.1:{proxy.port}", Source(topic_name))
        facts = await stack.enter_async_context(reading(kafka_in))
        await produced(kafka, topic_name, 0, 3)
        await facts.until(lambda: len(facts.values(topic=topic_name)) == 3)
        proxy.swallowing = True
        began = time.monotonic()
        await facts.until(lambda: any(not f.up for f in facts.of(LinkChanged)))
        assert time.monotonic() - began < 2
        await produced(kafka, topic_name, 3, 3)
        proxy.swallowing = False
        proxy.reset()
        await facts.until(lambda: len(facts.values(topic=topic_name)) == 6)
        assert facts.values(topic=topic_name) == numbers(0, 6)


@pytest.mark.slow
async def test_the_leader_is_killed_in_mid_stream_and_nothing_is_lost_or_read_twice(kafka_three, topic_name):
    kafka_three.create_topic(topic_name, 3)
    sent = dict.fromkeys(range(3), 0)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_three.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=30_000,
    )
    await producer.start()
    stop = asyncio.Event()

    async def produce(partition):
        while not stop.is_set():
            await producer.send_and_wait(topic_name, b"%d" % sent[partition], partition=partition)
            sent[partition] += 1
            await asyncio.sleep(0.005)

    producing = [asyncio.ensure_future(produce(partition)) for partition in sent]
    try:
        async with reading(reader(kafka_three.bootstrap_servers, Source(topic_name))) as facts:
            await facts.until(lambda: len(facts.values(topic=topic_name)) > 100)
            leader = await asyncio.to_thread(kafka_three.leader_of, topic_name, 0)
            await asyncio.to_thread(kafka_three.kill9, leader)
            await kafka_three.leader_moved(topic_name, 0, leader)
            at_move = sent[0]
            await facts.until(lambda: len(facts.values(0, topic_name)) > at_move + 100)
            stop.set()
            await asyncio.gather(*producing)
            await facts.until(lambda: len(facts.values(topic=topic_name)) == sum(sent.values()))
            for partition, count in sent.items():
                assert facts.values(partition, topic_name) == numbers(0, count)
            assert not facts.of(Gap)
    finally:
        for task in producing:
            task.cancel()
        await asyncio.gather(*producing, return_exceptions=True)
        await producer.stop()

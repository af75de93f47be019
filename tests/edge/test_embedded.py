"""The embedded pair speaks the real protocols with the clients that the monitor uses."""

import asyncio
import os
import time

import aiomqtt
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from monitor.edge.embedded import EmbeddedKafka, EmbeddedMqtt

TOPIC = "trading.telemetry.v1"
PARTITIONS = [TopicPartition(TOPIC, partition) for partition in range(4)]
DEADLINE_S = 20


@pytest.fixture
async def kafka():
    async with EmbeddedKafka(brokers=3, topics={TOPIC: 4}) as cluster:
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


@pytest.fixture
async def consumer(kafka):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=None,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
        request_timeout_ms=2000,
        metadata_max_age_ms=500,
    )
    await consumer.start()
    consumer.assign(PARTITIONS)
    for partition in PARTITIONS:
        consumer.seek(partition, 0)
    yield consumer
    await consumer.stop()


async def read(consumer, count):
    records = []
    async with asyncio.timeout(DEADLINE_S):
        while len(records) < count:
            for fetched in (await consumer.getmany(timeout_ms=100)).values():
                records.extend(fetched)
    return records


async def test_what_is_produced_is_read_in_order_from_each_partition(producer, consumer):
    began_ms = int(time.time() * 1000)
    sent = [await producer.send(TOPIC, b"%d" % n, partition=n % 4) for n in range(400)]
    await asyncio.gather(*sent)
    records = await read(consumer, 400)
    for partition in range(4):
        values = [int(record.value) for record in records if record.partition == partition]
        assert values == list(range(partition, 400, 4))
    assert min(record.timestamp for record in records) >= began_ms


async def test_a_leader_moves_and_nothing_is_lost(kafka, producer, consumer):
    for n, broker in enumerate((1, 2, 3)):
        kafka.leader_set(TOPIC, 0, broker)
        await producer.send_and_wait(TOPIC, b"%d" % n, partition=0)
    assert [record.value for record in await read(consumer, 3)] == [b"0", b"1", b"2"]


async def test_a_broker_that_is_down_answers_nobody_until_it_is_up(kafka, producer, consumer):
    kafka.leader_set(TOPIC, 0, 1)
    await producer.send_and_wait(TOPIC, b"before", partition=0)
    kafka.broker_down(1)
    with pytest.raises((TimeoutError, KafkaError)):
        await asyncio.wait_for(producer.send_and_wait(TOPIC, b"during", partition=0), 0.5)
    kafka.broker_up(1)
    await producer.send_and_wait(TOPIC, b"after", partition=0)
    # The one given up may have stayed in the client's queue: at least once, never out of order.
    values = [record.value for record in await read(consumer, 2)]
    assert values[0] == b"before"
    assert values[1] in {b"during", b"after"}


async def test_delay_is_felt(kafka, producer):
    await producer.send_and_wait(TOPIC, b"quick", partition=0)
    kafka.broker_delay(-1, 300)
    began = time.perf_counter()
    await producer.send_and_wait(TOPIC, b"slow", partition=0)
    assert time.perf_counter() - began >= 0.3


async def test_deleted_records_are_gone_from_the_front(kafka, producer, consumer):
    for n in range(10):
        await producer.send_and_wait(TOPIC, b"%d" % n, partition=2)
    kafka.records_delete(TOPIC, 2, 6)
    assert (await consumer.beginning_offsets(PARTITIONS))[PARTITIONS[2]] == 6


async def test_a_partition_forgets_what_is_over_five_megabytes(producer, consumer):
    for _ in range(100):
        await producer.send_and_wait(TOPIC, bytes(100_000), partition=1)
    first = (await consumer.beginning_offsets(PARTITIONS))[PARTITIONS[1]]
    assert 45 <= first <= 55


async def test_an_unknown_broker_or_topic_is_an_error_in_words(kafka):
    with pytest.raises(RuntimeError, match="set_down"):
        kafka.broker_down(9)
    with pytest.raises(RuntimeError, match="topic_create"):
        kafka.topic_create(TOPIC, 4)


async def test_nothing_is_left_after_the_cluster_stops():
    process = psutil.Process(os.getpid())
    for _ in range(5):
        async with EmbeddedKafka(brokers=3, topics={TOPIC: 4}) as kafka:
            threads = process.num_threads()
            bootstrap = kafka.bootstrap_servers
    assert process.num_threads() < threads
    host, port = bootstrap.split(",")[0].split(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


@pytest.fixture
async def mqtt():
    async with EmbeddedMqtt() as broker:
        yield broker


def client(mqtt, name, **settings):
    return aiomqtt.Client(mqtt.host, mqtt.port, identifier=name, timeout=5, **settings)


async def next_message(subscriber):
    async with asyncio.timeout(DEADLINE_S):
        return await anext(aiter(subscriber.messages))


async def test_qos_1_arrives_once_and_in_order(mqtt):
    async with client(mqtt, "gateway") as gateway, client(mqtt, "monitor") as monitor:
        await gateway.subscribe("risk/v1/demo/halt/+", qos=1)
        for n in range(100):
            await monitor.publish("risk/v1/demo/halt/7f3a", b"%d" % n, qos=1)
        arrived = [await next_message(gateway) for _ in range(100)]
    assert [message.payload for message in arrived] == [b"%d" % n for n in range(100)]
    assert {message.qos for message in arrived} == {1}


async def test_a_retained_message_meets_who_comes_later_and_an_empty_one_clears_it(mqtt):
    topic = "risk/v1/demo/state/m-1"
    async with client(mqtt, "monitor") as monitor:
        await monitor.publish(topic, b"open: 1", qos=1, retain=True)
        async with client(mqtt, "late") as late:
            await late.subscribe("risk/v1/demo/state/#", qos=1)
            message = await next_message(late)
            assert (message.payload, message.retain) == (b"open: 1", True)
        await monitor.publish(topic, b"", qos=1, retain=True)
        async with client(mqtt, "later") as later:
            await later.subscribe("risk/v1/demo/state/#", qos=1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(aiter(later.messages)), 0.3)


async def test_the_last_will_speaks_when_a_client_dies(mqtt):
    will = aiomqtt.Will("risk/v1/demo/lease/m-1", b"blind", qos=1)
    async with client(mqtt, "gateway") as gateway:
        await gateway.subscribe("risk/v1/demo/lease/+", qos=1)
        monitor = client(mqtt, "monitor", will=will)
        await monitor.__aenter__()
        monitor._client._sock_close()  # the socket goes, without a DISCONNECT
        assert (await next_message(gateway)).payload == b"blind"


async def test_the_broker_stops_while_clients_are_connected():
    async with EmbeddedMqtt() as broker:
        gateway = client(broker, "gateway")
        await gateway.__aenter__()
        await gateway.subscribe("risk/#", qos=1)
    with pytest.raises(aiomqtt.MqttError):
        await next_message(gateway)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(broker.host, broker.port)

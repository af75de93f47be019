"""The records of a halt are read once more: those asked for, no others, and never for long."""

import pytest
from aiokafka import AIOKafkaProducer

from monitor.edge import kafka_fetch
from monitor.edge.embedded import EmbeddedKafka
from monitor.edge.kafka_fetch import fetch

TOPIC = "trading.telemetry.v1"


@pytest.fixture
async def client():
    async with EmbeddedKafka(topics={TOPIC: 2}) as kafka:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        for n in range(30):
            await producer.send_and_wait(TOPIC, b"%d" % n, partition=n % 2)
        await producer.stop()
        yield {"bootstrap_servers": kafka.bootstrap_servers}


async def test_ranges_are_read_with_both_their_ends(client):
    found = await fetch(client, [(TOPIC, 0, 3, 5), (TOPIC, 1, 14, 14), (TOPIC, 0, 0, 0)])
    assert found == [
        (TOPIC, 0, 3, b"6"), (TOPIC, 0, 4, b"8"), (TOPIC, 0, 5, b"10"), (TOPIC, 1, 14, b"29"), (TOPIC, 0, 0, b"0"),
    ]  # fmt: skip


async def test_what_is_not_there_is_left_out_within_the_deadline(client, monkeypatch):
    monkeypatch.setattr(kafka_fetch, "DEADLINE_S", 2.0)
    found = await fetch(client, [(TOPIC, 0, 13, 99)])
    assert found == [(TOPIC, 0, 13, b"26"), (TOPIC, 0, 14, b"28")]


async def test_no_broker_gives_nothing_and_no_exception(monkeypatch):
    monkeypatch.setattr(kafka_fetch, "DEADLINE_S", 1.0)
    assert await fetch({"bootstrap_servers": "127.0.0.1:9"}, [(TOPIC, 0, 0, 1)]) == []


async def test_at_most_ten_thousand_are_read(client, monkeypatch):
    monkeypatch.setattr(kafka_fetch, "RECORDS_MAX", 4)
    assert len(await fetch(client, [(TOPIC, 0, 0, 9), (TOPIC, 1, 0, 9)])) == 4

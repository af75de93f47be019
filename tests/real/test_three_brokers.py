"""Three brokers in KRaft mode, the leader killed with -9 in mid-stream: nothing lost, nothing judged twice."""

import asyncio
import json
import time

import pytest
from aiokafka import AIOKafkaProducer

from tests.real.live import REFERENCE, TELEMETRY, Live, place_of_its_own, until
from tests.streams import MS, Desk, orders

EVENTS_MIN = 6_000
PARTITIONS = 3


def streams():
    """One desk a partition: clean flow first, and then a router that lost its count."""
    desks = [Desk(name, now=time.time_ns()) for name in "abc"]
    for desk in desks:
        for n in range(EVENTS_MIN // PARTITIONS // 7):
            orders(f"P{desk.name}{n} C A F B done", desk)
            desk.now -= 5 * MS
        orders("+300ms C C C C", desk)
    return [
        [json.dumps({k: v for k, v in told.items() if k != "arrival_ts"}).encode() for told in desk.events()]
        for desk in desks
    ]


@pytest.fixture
def folder(tmp_path):
    with place_of_its_own(tmp_path / "monitor") as made:
        yield made


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_a_leader_killed_in_mid_stream_loses_nothing_and_repeats_nothing(
    kafka_three, mosquitto, folder
):
    kafka_three.create_topic(TELEMETRY, PARTITIONS)
    kafka_three.create_topic(REFERENCE)
    live = Live(folder, kafka_three.bootstrap_servers, mosquitto)
    await live.start()
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_three.bootstrap_servers, acks="all", enable_idempotence=True,
        request_timeout_ms=5_000, metadata_max_age_ms=1_000,
    )  # fmt: skip
    await producer.start()

    async def produce(partition, values):
        for n, value in enumerate(values):
            if n % 50 == 0:
                await asyncio.sleep(0.02)
            await producer.send(TELEMETRY, value, partition=partition)

    told = streams()
    sending = asyncio.gather(*(produce(partition, values) for partition, values in enumerate(told)))
    await until(lambda: live.metric("knightwatch_events_total") > 500, "it judges")
    dead = kafka_three.leader_of(TELEMETRY, 0)
    kafka_three.kill9(dead)
    await sending
    await producer.flush()
    await producer.stop()
    count = sum(len(values) for values in told)
    await until(lambda: live.metric("knightwatch_events_total") >= count, "all is judged")
    await asyncio.sleep(2)
    assert live.metric("knightwatch_events_total") == count
    assert live.metric("knightwatch_gaps_total") == 0
    halts = {json.dumps(halt["scope"]) for halt in await live.halts()}
    hosts = {json.dumps({"host": f"{name}-gw-1"}) for name in "abc"}
    assert len(halts & hosts) == 2  # and with the third they are one cause: the firm
    assert halts - hosts == {"{}"}
    assert await live.terminate() == 143

"""What Kafka may do to a reader, and a whole monitor's answer: the gap by its offsets, a page, a lease that says so."""

import asyncio
import contextlib
import statistics
import time

import pytest
from aiokafka import AIOKafkaProducer

from tests.real.faketime import Beating
from tests.real.live import TELEMETRY, Listener, monitor_on, until

pytestmark = [pytest.mark.real("kafka", "mosquitto"), pytest.mark.slow]

CLEAN = "P{n} C A F B done"
SAID_S_MAX = 2
BLIND_S_MAX = 2.1  # 2 s and the clock's tick
LOOKED_S_MAX = 5  # that a topic is another one is asked each two seconds
SKEWED_S = 3
HEARD_S_MAX = 30  # a whole window of ten seconds, and the one that it falls into


@pytest.fixture
async def live(kafka_own, mosquitto, tmp_path):
    async with monitor_on(kafka_own, mosquitto, tmp_path / "monitor") as live:
        yield live


@pytest.fixture
async def live_behind(kafka_own, mosquitto, tmp_path):
    """A monitor whose Kafka is behind a proxy, and the proxy."""
    async with kafka_own.proxy() as proxy:
        behind = f"127.0.0.1:{proxy.port}"
        async with monitor_on(kafka_own, mosquitto, tmp_path / "monitor", kafka_by=behind) as live:
            yield live, proxy


async def gap(live, why):
    """The trail's record of it: which offsets will never be judged."""
    await until(lambda: [lost for lost in live.lines("records.lost") if lost["why"] == why], why)
    (lost,) = [lost for lost in live.lines("records.lost") if lost["why"] == why]
    return lost["topic"], lost["first"], lost["end"]


async def judging(gateway):
    """It sees all now, and a breath ago too."""
    await gateway.next(time.monotonic(), "lease", status="judging")


async def test_a_kafka_that_is_deaf_or_stands_still_is_blindness_within_two_seconds(
    live_behind, kafka_own, measured
):
    """From the cut to the lease that a gateway hears by MQTT, also where reading has hardly begun; no halt by it."""
    live, proxy = live_behind
    blind_s, back_s = [], []
    async with Listener(live) as gateway:
        for way in ("deaf", "still") * 3:
            await judging(gateway)
            cut_s = time.monotonic()
            if way == "deaf":
                proxy.swallowing = True
            else:
                kafka_own.freeze(1)
            blind_s.append((await gateway.next(cut_s, "lease", status="blind"))[0])
            proxy.swallowing = False
            proxy.reset()
            kafka_own.thaw(1)
            back_s.append((await gateway.next(time.monotonic(), "lease", status="judging"))[0])
        assert gateway.of("halt") == []
    measured(blind_s=statistics.median(blind_s), blind_s_max=max(blind_s), judging_again_s=max(back_s))
    assert statistics.median(blind_s) < BLIND_S_MAX


async def test_what_retention_took_and_a_topic_made_again_are_gaps_with_their_offsets(
    live, kafka_own, measured
):
    async with Listener(live) as gateway:
        count = await live.send(CLEAN.format(n=1))
        await until(lambda: live.metric("knightwatch_events_total") == count, "it judges")
        await gateway.next(time.monotonic(), "lease", status="judging")

        live.server.freeze()  # it falls behind, and what it did not read goes
        await asyncio.sleep(0.5)  # the fetch that it had begun is answered with nothing
        await live.send(CLEAN.format(n=2))
        kafka_own.delete_records(TELEMETRY, 0, count + 4)
        live.server.thaw()
        thawed_s = time.monotonic()
        retention_s, _ = await gateway.next(thawed_s, "lease", status="degraded")
        assert await gap(live, "retention") == (TELEMETRY, count, count + 4)
        assert live.pages(f"records {count} to {count + 4} are lost (retention)")
        position = count + 6
        await until(lambda: live.metric("knightwatch_events_total") == count + 2, "it reads what is left")

        kafka_own.delete_topic(TELEMETRY)
        kafka_own.create_topic(TELEMETRY)
        made_s = time.monotonic()
        assert await gap(live, "recreated") == (TELEMETRY, position, 0)
        recreated_s = time.monotonic() - made_s
        assert live.metric("knightwatch_gaps_total") == 2
        live.desk.name = "b"
        began_s = time.monotonic()
        await live.send("P3 C A F B done +300ms C C C")
        await gateway.next(began_s, "halt", scope={"host": "b-gw-1"})
        measured(retention_s=retention_s, recreated_s=recreated_s)
        assert retention_s < SAID_S_MAX
        assert recreated_s < LOOKED_S_MAX


@pytest.mark.real("faketime")
async def test_a_host_whose_clock_is_off_is_named_and_nothing_else_happens(live, measured):
    """Three processes tell their heartbeats; one of them lives three seconds ahead."""
    producer = AIOKafkaProducer(bootstrap_servers=live.kafka, acks="all")
    await producer.start()
    try:
        async with Listener(live) as gateway, contextlib.AsyncExitStack() as hosts:
            began_s = time.monotonic()
            for host, off_s in (("one", 0.0), ("two", 0.2), ("three", SKEWED_S)):
                await hosts.enter_async_context(
                    Beating(host, off_s).heard_by(lambda told: producer.send_and_wait(TELEMETRY, told))
                )
            degraded_s, _ = await gateway.next(began_s, "lease", status="degraded")
            reasons = await until(
                lambda: [
                    said["reasons"]
                    for said in live.lines("lease.commanded")
                    if "skew/three" in said["reasons"]
                ],
                "its reasons",
            )
            assert reasons[0] == ["skew/three"]
            (page,) = live.pages("the clock of")
            assert "the clock of three is wrong: its events come -" in page
            measured(named_s=degraded_s)
            assert degraded_s < HEARD_S_MAX
            await asyncio.sleep(1)
            assert gateway.of("halt") == gateway.of("lease", status="blind") == []
    finally:
        await producer.stop()
    assert live.metric("knightwatch_records_quarantined_total") == 0
    assert live.lines("halt.decided") == []

"""mosquitto dies and forgets, certificates end and are rotated: what waits arrives, and nobody restarts a monitor."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from monitor.edge import login
from monitor.edge.mqtt_out import Broker, MqttOut
from tests.real.live import SITE, Listener, monitor_on, until

RUNAWAY = "P{n} C A F B done +300ms C C C"
TOPIC = f"risk/v1/{SITE}/lease/monitor-1"
VALID_S = 3


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_mosquitto_dies_and_forgets_and_is_told_all_within_a_second(
    kafka_own, mosquitto, tmp_path, measured
):
    """The halt made meanwhile went by Kafka at once; what was retained is retained again."""
    async with monitor_on(kafka_own, mosquitto, tmp_path / "monitor") as live:
        async with Listener(live) as gateway:
            began_s = time.monotonic()
            await live.send(RUNAWAY.format(n=1))
            _, first = await gateway.next(began_s, "halt")
            await gateway.next(began_s, "state")
            mosquitto.kill9()
            live.desk.name = "b"
            await live.send(RUNAWAY.format(n=2))
            await until(lambda: live.metric("knightwatch_halts_open") == 2, "it halts all the same")
            (second,) = [halt for halt in await live.halts() if halt["halt_id"] != first["halt_id"]]
            await asyncio.sleep(3)  # its pause between two attempts is at its longest
            await mosquitto.restart()
            back_s = time.monotonic()
            halted_s, _ = await gateway.next(back_s, "halt", halt_id=second["halt_id"])
            async with Listener(live) as late:
                stated_s, state = await late.next(back_s, "state")
        assert {halt["halt_id"] for halt in state["open"]} == {first["halt_id"], second["halt_id"]}
        measured(halted_s=halted_s, stated_s=stated_s)
        assert halted_s < 1.5, "a second, and what this machine takes to say so"
        assert stated_s < 6


@contextlib.asynccontextmanager
async def speaking(mosquitto):
    """A monitor's road, as its configuration would have it, and what it says of its link."""
    said = []
    road = MqttOut(
        Broker(
            "localhost", mosquitto.port, "t", "monitor", mosquitto.guard.users["monitor"],
            login.tls(mosquitto.ca_pem, None, None),
        ),
        (), now_ns=time.time_ns, on_link=said.append, on_delivered=lambda *_: None,
    )  # fmt: skip
    running = asyncio.create_task(road.run())
    try:
        yield road, said
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest.mark.real("mosquitto")
async def test_an_authority_that_is_rotated_is_believed_at_the_next_connection(mosquitto_guarded):
    async with speaking(mosquitto_guarded) as (road, said):
        assert (await road.publish(TOPIC, b"1", retain=True, deadline_s=5)).ok
        mosquitto_guarded.kill9()
        mosquitto_guarded.certify(trustme.CA())
        await mosquitto_guarded.restart()
        assert (await road.publish(TOPIC, b"2", retain=True, deadline_s=10)).ok
    assert [link.up for link in said][:3] == [True, False, True]


@pytest.mark.real("mosquitto")
async def test_a_certificate_that_ended_is_refused_until_it_is_rotated(mosquitto_guarded):
    ca = mosquitto_guarded.guard.ca
    mosquitto_guarded.kill9()
    mosquitto_guarded.certify(ca, not_after=datetime.now(UTC) + timedelta(seconds=VALID_S))
    await mosquitto_guarded.restart()
    async with speaking(mosquitto_guarded) as (road, said):
        assert (await road.publish(TOPIC, b"1", retain=True, deadline_s=VALID_S)).ok
        await asyncio.sleep(VALID_S)
        assert (await road.publish(TOPIC, b"2", retain=True)).ok, "who is connected stays so"
        mosquitto_guarded.kill9()
        await mosquitto_guarded.restart()
        assert not (await road.publish(TOPIC, b"3", retain=True, deadline_s=3)).ok, "no exception is made"
        assert not said[-1].up
        mosquitto_guarded.kill9()
        mosquitto_guarded.certify(ca)
        await mosquitto_guarded.restart()
        assert (await road.publish(TOPIC, b"4", retain=True, deadline_s=10)).ok

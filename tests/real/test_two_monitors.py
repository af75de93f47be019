"""Two monitors on one Kafka and one mosquitto, each with its own key and folders: both judge, both halt, a gateway joins."""

import asyncio
import contextlib
import itertools
import time

import pytest

from monitor.edge.audit import verify
from tests.real.live import REFERENCE, TELEMETRY, Listener, Live, place_of_its_own, until
from tests.real.proxy import Proxy

pytestmark = [pytest.mark.real("kafka", "mosquitto"), pytest.mark.slow]

RUNAWAY = "P{n} C A F B done +300ms C C C"
POISON = b'{"kind":"error","ts":1,"host":"x","reason":"POISON"}'
RESTART_S = 0.5  # as `deploy/systemd` has it
STOPPED_S = 10
OTHER_LIMIT = "orphan_warn_count = 6\n"  # what the new version judges by, beside the old one


@pytest.fixture
async def pair(kafka_own, mosquitto, tmp_path):
    """Two that are not started, and the two proxies behind which the second one lives."""
    kafka_own.create_topic(TELEMETRY)
    kafka_own.create_topic(REFERENCE)
    async with contextlib.AsyncExitStack() as stack:
        to_kafka = await stack.enter_async_context(kafka_own.proxy())
        to_mqtt = await stack.enter_async_context(Proxy(mosquitto.port))
        one, two = [
            Live(
                stack.enter_context(place_of_its_own(tmp_path / issuer)),
                kafka_own.bootstrap_servers,
                mosquitto,
                issuer=issuer,
                kafka_by=f"127.0.0.1:{to_kafka.port}" if issuer == "monitor-2" else "",
                mqtt_by=to_mqtt.port if issuer == "monitor-2" else 0,
            )
            for issuer in ("monitor-1", "monitor-2")
        ]
        one.pin(two)
        two.pin(one)
        yield one, two, to_kafka, to_mqtt


async def halted(gateway, live, words, *issuers):
    """Tell of a router gone wild; returns the halt's id, the same from each of these, and how long each took."""
    await live.send(words)
    sent_s = time.monotonic()
    heard = [await gateway.next(sent_s, "halt", issuer=issuer) for issuer in issuers]
    (halt_id,) = {halt["halt_id"] for _, halt in heard}
    return halt_id, [after_s for after_s, _ in heard]


def open_at(gateway):
    return {held.halt_id for held in gateway.gate.open(time.time_ns())}


async def test_both_halt_one_cause_and_one_that_dies_takes_nothing_with_it(pair, measured):
    one, two, *_ = pair
    await asyncio.gather(one.start(), two.start())
    async with Listener(one) as gateway:
        halt_id, _ = await halted(gateway, one, RUNAWAY.format(n=1), "monitor-1", "monitor-2")
        assert open_at(gateway) == {halt_id}, "one halt of two monitors"

        one.server.kill9()
        killed_s = time.monotonic()
        one.desk.name = "b"
        second, (after_s,) = await halted(gateway, one, RUNAWAY.format(n=2), "monitor-2")
        assert open_at(gateway) == {halt_id, second}
        blind_s, _ = await gateway.next(killed_s, "lease", issuer="monitor-1", status="blind")
        measured(halted_by_the_other_s=after_s, will_s=blind_s)
        assert after_s < 2
        assert gateway.longest_silence_s(killed_s, "lease", issuer="monitor-2") < 2
        assert gateway.since(killed_s, "lease", issuer="monitor-2", status="blind") == []

        begun_s = time.monotonic()
        await one.start()
        await gateway.next(begun_s, "halt", issuer="monitor-1", halt_id=second)  # it reads on and says so too
        assert open_at(gateway) == {halt_id, second}
    for live in (one, two):
        assert await live.terminate() == 143
        assert {h["halt_id"] for h in await live.halts()} == {halt_id, second}
        assert verify([live.audit], keyring=live.keyring).ok


async def supervised(live):
    """Begun again whenever it ends, as the unit does."""
    while True:
        await asyncio.sleep(RESTART_S)
        if not live.server.running:
            live.server.start()


async def test_a_record_that_crashes_both_is_set_aside_and_both_judge_again(pair, measured):
    one, two, *_ = pair
    for live in (one, two):
        live.server.environment["KNIGHTWATCH_FAILPOINT"] = "judge.record=POISON"
    await asyncio.gather(one.start(), two.start())
    async with Listener(one) as gateway:
        await halted(gateway, one, RUNAWAY.format(n=1), "monitor-1", "monitor-2")
        supervisors = [asyncio.create_task(supervised(live)) for live in (one, two)]
        await one.send_raw([POISON])
        one.desk.name = "b"
        _, after_s = await halted(gateway, one, RUNAWAY.format(n=2), "monitor-1", "monitor-2")
        poisoned_s = time.monotonic()
        for issuer in ("monitor-1", "monitor-2"):
            await gateway.next(poisoned_s, "lease", issuer=issuer, status="degraded")
        for work in supervisors:
            work.cancel()
        measured(both_halt_again_s=max(after_s))
    for live in (one, two):
        assert await live.terminate() == 143
        kept = [told for told in live.lines("record.quarantined") if told["reason"] == "crashed_us"]
        assert len(kept) == 1
        assert live.pages("crashed twice on record")
        assert verify([live.audit], keyring=live.keyring).ok
    assert POISON in {record.value for record in await one.records("risk.dlq.v1")}


async def test_one_that_is_cut_off_says_blind_and_on_its_return_undoes_nothing(pair, measured):
    one, two, to_kafka, to_mqtt = pair
    await asyncio.gather(one.start(), two.start())
    async with Listener(one) as gateway:
        halt_id, _ = await halted(gateway, one, RUNAWAY.format(n=1), "monitor-1", "monitor-2")

        to_kafka.swallowing = True  # its Kafka is deaf, MQTT still carries what it says
        cut_s = time.monotonic()
        blind_s, _ = await gateway.next(cut_s, "lease", issuer="monitor-2", status="blind")
        assert blind_s < 5, "2 s, the request's own second and a lease's"
        to_mqtt.swallowing = True  # and now it is alone
        one.desk.name = "b"
        second, (after_s,) = await halted(gateway, one, RUNAWAY.format(n=2), "monitor-1")
        assert gateway.since(cut_s, "lease", issuer="monitor-1", status="blind") == []

        to_kafka.swallowing = to_mqtt.swallowing = False
        to_kafka.reset()
        to_mqtt.reset()
        back_s = time.monotonic()
        judging_s, _ = await gateway.next(back_s, "lease", issuer="monitor-2", status="judging")
        await gateway.next(back_s, "halt", issuer="monitor-2", halt_id=second)
        measured(blind_s=blind_s, halted_by_the_other_s=after_s, judging_again_s=judging_s)
        assert open_at(gateway) == {halt_id, second}
    for live in (one, two):
        assert await live.terminate() == 143
        assert live.pages("forged") == live.pages("refused") == []


async def test_one_that_wakes_from_a_long_stop_neither_undoes_nor_rejects(pair, measured):
    one, two, *_ = pair
    await asyncio.gather(one.start(), two.start())
    async with Listener(one) as gateway:
        halt_id, _ = await halted(gateway, one, RUNAWAY.format(n=1), "monitor-1", "monitor-2")
        two.server.freeze()
        frozen_s = time.monotonic()
        one.desk.name = "b"
        second, (after_s,) = await halted(gateway, one, RUNAWAY.format(n=2), "monitor-1")
        await asyncio.sleep(STOPPED_S - (time.monotonic() - frozen_s))
        two.server.thaw()
        thawed_s = time.monotonic()
        own_s, _ = await gateway.next(thawed_s, "halt", issuer="monitor-2", halt_id=second)
        await until(
            lambda: [
                state
                for _, state in gateway.since(thawed_s, "state", issuer="monitor-2")
                if {halt["halt_id"] for halt in state["open"]} == {halt_id, second}
            ],
            "the woken one states both",
        )
        measured(halted_by_the_other_s=after_s, said_by_the_woken_s=own_s)
        assert after_s < 2
        assert open_at(gateway) == {halt_id, second}
        assert gateway.since(frozen_s, "lease", issuer="monitor-1", status="blind") == []
    for live in (one, two):
        assert live.pages("refused") == []
        assert await live.terminate() == 143
    assert {h["halt_id"] for h in await one.halts()} == {halt_id, second}


async def test_they_are_upgraded_one_at_a_time_with_two_policies(pair):
    """The second has a limit of its own meanwhile: both digests are there, one halt, and at no time nobody."""
    one, two, *_ = pair
    await asyncio.gather(one.start(), two.start())
    async with Listener(one) as gateway:
        begun_s = time.monotonic()
        await gateway.next(begun_s, "lease", issuer="monitor-2", status="judging")
        assert await two.terminate() == 143
        with two.config.open("a") as config:
            config.write(OTHER_LIMIT)
        await two.start()
        restarted_s = time.monotonic()
        halt_id, _ = await halted(gateway, one, RUNAWAY.format(n=1), "monitor-1", "monitor-2")
        digests = {
            lease["policy_digest"] for _, lease in gateway.since(restarted_s, "lease", status="judging")
        }
        assert len(digests) == 2
        assert {halt["policy_digest"] for halt in gateway.of("halt")} == digests
        assert open_at(gateway) == {halt_id}

        assert await one.terminate() == 143
        with one.config.open("a") as config:
            config.write(OTHER_LIMIT)
        await one.start()
        begun_again_s = time.monotonic()
        _, lease = await gateway.next(begun_again_s, "lease", issuer="monitor-1", status="judging")
        assert lease["policy_digest"] in digests
        judging = [heard_s for heard_s, _ in gateway.since(begun_s, "lease", status="judging")]
        assert max(b - a for a, b in itertools.pairwise(judging)) < 3, "somebody always judged"
        assert open_at(gateway) == {halt_id}
    for live in (one, two):
        assert await live.terminate() == 143
    assert {h["halt_id"] for h in await one.halts()} == {halt_id}

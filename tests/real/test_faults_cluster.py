"""What happens to three brokers under a monitor: moved, elected uncleanly, out of disk; a gap is said, or there is none."""

import asyncio
import contextlib
import time

import pytest

from tests.real.kafka import Kafka
from tests.real.live import TELEMETRY, Listener, monitor_on, until
from tests.real.small_disk import fill, small_disk

pytestmark = [pytest.mark.real("kafka", "mosquitto"), pytest.mark.slow]

CLEAN = "P{n} C A F B done"
RUNAWAY = "P{n} C A F B done +300ms C C C"
BROKERS_DISK_MIB = 64
ALONE = {"min.insync.replicas": "1"}
UNCLEAN = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}


async def judged(live, count):
    await until(lambda: live.metric("knightwatch_events_total") >= count, f"it judges {count}")
    await asyncio.sleep(0.5)
    assert live.metric("knightwatch_events_total") == count, "none twice"


async def test_a_partition_that_is_reassigned_and_one_that_is_added_lose_and_repeat_nothing(
    kafka_three, mosquitto, tmp_path, measured
):
    async with (
        monitor_on(kafka_three, mosquitto, tmp_path / "monitor", replicas=1, topic=ALONE) as live,
        Listener(live) as gateway,
    ):
        count = await live.send(CLEAN.format(n=1))
        await judged(live, count)
        home = kafka_three.leader_of(TELEMETRY, 0)
        away = min(set(kafka_three.nodes) - {home})
        moving = asyncio.create_task(kafka_three.reassign(TELEMETRY, 0, [away]))
        began_s = time.monotonic()
        for n in range(2, 9):
            count += await live.send(CLEAN.format(n=n))
            await asyncio.sleep(0.1)
        await moving
        assert kafka_three.leader_of(TELEMETRY, 0) == away
        await judged(live, count)
        kafka_three.add_partitions(TELEMETRY, 2)
        added_s = time.monotonic()
        live.desk.name = "b"
        await until(
            lambda: [one for one in live.lines("reading.started") if one["partition"] == 1], "it is read"
        )
        seen_s = time.monotonic() - added_s
        await live.send(RUNAWAY.format(n=9))
        await gateway.next(added_s, "halt", scope={"host": "b-gw-1"})
        silence_s = gateway.longest_silence_s(began_s, "lease")
        measured(new_partition_s=seen_s, lease_silence_s=silence_s)
        assert live.metric("knightwatch_gaps_total") == 0
        assert gateway.since(began_s, "lease", status="blind") == []


async def uncleanly_elected(kafka, ahead, behind):
    """Node `behind` was out of sync and leads now alone; what only `ahead` had is gone."""
    kafka.kill9(ahead)
    await kafka.restart(behind)
    return await kafka.leader_moved(TELEMETRY, 0, ahead)


@pytest.mark.parametrize("overgrown", [False, True], ids=["shorter", "overgrown"])
async def test_an_unclean_election_is_a_gap_that_goes_back_and_nothing_is_skipped_or_judged_twice(
    kafka_three, mosquitto, tmp_path, measured, overgrown
):
    """Also where the new leader's log is longer again, before we look, than what we had read of the old one's."""
    async with (
        monitor_on(kafka_three, mosquitto, tmp_path / "monitor", replicas=2, topic=UNCLEAN) as live,
        Listener(live) as gateway,
    ):
        common = await live.send(CLEAN.format(n=1))
        await judged(live, common)
        ahead = kafka_three.leader_of(TELEMETRY, 0)
        (behind,) = kafka_three.in_sync(TELEMETRY, 0) - {ahead}
        kafka_three.kill9(behind)
        await kafka_three.in_sync_are(TELEMETRY, 0, {ahead})
        lost = await live.send(CLEAN.format(n=2))
        await judged(live, common + lost)
        if overgrown:
            live.server.freeze()
        await uncleanly_elected(kafka_three, ahead, behind)
        count = await live.send("P3 C A F B done P4 C A F B done" if overgrown else "P3 C")
        live.desk.name = "b"
        began_s = time.monotonic()
        live.server.thaw()
        gone = await until(
            lambda: [one for one in live.lines("records.lost") if one["why"] == "truncated"], "it is said"
        )
        said_s = time.monotonic() - began_s
        assert [(one["first"], one["end"]) for one in gone] == [(common + lost, common)]
        assert live.pages("truncated")
        count += await live.send(RUNAWAY.format(n=9))
        await gateway.next(began_s, "halt", scope={"host": "b-gw-1"})
        await judged(live, common + lost + count)
        assert live.metric("knightwatch_gaps_total") == 1
        measured(said_s=said_s)


async def test_a_log_that_was_cut_and_overgrown_while_nobody_watched_is_a_gap_in_the_next_life(
    kafka_three, mosquitto, tmp_path
):
    """The offsets of the snapshot are there again, and hold other records."""
    async with monitor_on(kafka_three, mosquitto, tmp_path / "monitor", replicas=2, topic=UNCLEAN) as live:
        common = await live.send(CLEAN.format(n=1))
        await judged(live, common)
        ahead = kafka_three.leader_of(TELEMETRY, 0)
        (behind,) = kafka_three.in_sync(TELEMETRY, 0) - {ahead}
        kafka_three.kill9(behind)
        await kafka_three.in_sync_are(TELEMETRY, 0, {ahead})
        lost = await live.send(CLEAN.format(n=2))
        await judged(live, common + lost)
        assert await live.terminate() == 143
        await uncleanly_elected(kafka_three, ahead, behind)
        count = await live.send("P3 C A F B done P4 C A F B done")
        await live.start()
        gone = await until(
            lambda: [one for one in live.lines("records.lost") if one["why"] == "truncated"], "it is said"
        )
        assert [(one["first"], one["end"]) for one in gone] == [(common + lost, common)]
        assert live.pages("truncated")
        await judged(live, count)


async def test_a_brokers_own_full_disk_moves_its_leaders_and_loses_nothing(mosquitto, tmp_path, measured):
    with contextlib.ExitStack() as stack:
        kafka = Kafka(tmp_path, nodes=3)
        for node in kafka.nodes:
            stack.enter_context(small_disk(kafka.data(node), BROKERS_DISK_MIB))
        stack.enter_context(kafka)
        async with monitor_on(kafka, mosquitto, tmp_path / "monitor") as live, Listener(live) as gateway:
            count = await live.send(CLEAN.format(n=1))
            await judged(live, count)
            full = kafka.leader_of(TELEMETRY, 0)
            fill(kafka.data(full) / "filler")
            full_s = time.monotonic()
            for n in range(2, 9):
                count += await live.send(CLEAN.format(n=n))
            await kafka.leader_moved(TELEMETRY, 0, full)
            moved_s = time.monotonic() - full_s
            live.desk.name = "b"
            began_s = time.monotonic()
            count += await live.send(RUNAWAY.format(n=9))
            halted_s, _ = await gateway.next(began_s, "halt", scope={"host": "b-gw-1"})
            await judged(live, count)
            measured(moved_s=moved_s, halted_s=halted_s)
            assert live.metric("knightwatch_gaps_total") == 0

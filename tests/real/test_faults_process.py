"""The process itself: stopped as a whole for ten seconds, and blocked in its loop."""

import asyncio
import time

import pytest

from monitor.edge.audit import verify
from monitor.edge.watchdog import EXIT_STATUS
from tests.real.live import REFERENCE, TELEMETRY, Listener, Live, place_of_its_own, until

pytestmark = [pytest.mark.real("kafka", "mosquitto"), pytest.mark.slow]

STOPPED_S = 10
FILL_GAP = '[detectors.fill_gap]\nmode = "armed"\n'
# A record with this word blocks the loop, as a call that waits for a dead disk would.
BLOCKING = """\
import time, monitor.feeding as feeding
arrived = feeding.Feed.arrived
def stuck(feed, chunk):
    if any(b"BLOCK" in value for part in chunk.parts for value in part.values):
        time.sleep(60)
    arrived(feed, chunk)
feeding.Feed.arrived = stuck
"""


@pytest.fixture
def live(kafka_own, mosquitto, tmp_path):
    kafka_own.create_topic(TELEMETRY)
    kafka_own.create_topic(REFERENCE)
    with place_of_its_own(tmp_path / "monitor") as folder:
        live = Live(folder, kafka_own.bootstrap_servers, mosquitto, more=FILL_GAP)
        config = live.config.read_text()
        live.config.write_text(config.replace(', "drop_copy"]', "]"))  # the desk of these tests has none
        yield live


async def test_stopped_for_ten_seconds_it_decides_nothing_by_the_gap_and_goes_on(live, measured):
    """What was booked meanwhile was not late, what happened meanwhile is halted, and the lease was silent."""
    await live.start()
    pid = live.server.pid
    async with Listener(live) as gateway:
        count = await live.send("P1 C A F")  # a confirmation is due
        await until(lambda: live.metric("knightwatch_events_total") == count, "it judges")
        await gateway.next(time.monotonic(), "lease", status="judging")
        live.server.freeze()
        frozen_s = time.monotonic()
        count += await live.send("B P2 C A F B done +300ms C C C")
        await asyncio.sleep(STOPPED_S)
        alarms = {alarm.code for alarm in gateway.gate.alarms(time.time_ns())}
        assert alarms & {"lease_silent", "lease_blind"}, alarms
        assert gateway.since(frozen_s + 1, "lease", status="judging") == []
        live.server.thaw()
        thawed_s = time.monotonic()
        halted_s, halt = await gateway.next(thawed_s, "halt")
        judging_s, _ = await gateway.next(thawed_s, "lease", status="judging")
        await asyncio.sleep(3)
        measured(halted_s=halted_s, judging_s=judging_s)
        assert (halt["scope"], halt["reason_code"]) == ({"host": "a-gw-1"}, "child_after_done")
        assert judging_s < 3
        assert gateway.gate.alarms(time.time_ns()) == ()
    assert (live.server.running, live.server.pid) == (True, pid), "nobody was blocked: nobody ends it"
    assert live.metric("knightwatch_events_total") == count
    breaches = {breach["reason_code"] for breach in live.lines("breach.seen")}
    assert "child_after_done" in breaches
    assert not breaches & {"unconfirmed", "witness_missing"}, "the booking was there, only unread"
    assert live.pages("blind") == live.pages("link") == [], "it was silent itself: it accuses no broker"
    assert await live.terminate() == 143
    assert {halt["halt_id"] for halt in await live.halts()} == {halt["halt_id"]}
    assert verify([live.audit], keyring=live.keyring).ok


async def test_a_blocked_loop_ends_the_process_and_the_next_life_goes_on_from_its_snapshot(live, measured):
    await live.start(planted=BLOCKING)
    async with Listener(live) as gateway:
        count = await live.send("P1 C A F B done +300ms C C C")
        halt = await live.first_halt()
        await until(lambda: live.metric("knightwatch_events_total") == count, "it judges")
        await until(lambda: list((live.folder / "snapshot").glob("*.kws")), "it saves")
        await live.send_raw([b'{"kind":"BLOCK"}'])
        blocked_s = time.monotonic()
        assert await live.ended() == EXIT_STATUS
        ended_s = time.monotonic() - blocked_s
        willed_s, _ = await gateway.next(blocked_s, "lease", status="blind")
        assert "in stuck" in live.server.log_tail()
        begun_s = time.monotonic()
        await live.start()
        judging_s, _ = await gateway.next(begun_s, "lease", status="judging")  # with the kernels' loading
        await until(
            lambda: [
                state
                for _, state in gateway.since(begun_s, "state")
                if [h["halt_id"] for h in state["open"]] == [halt["halt_id"]]
            ],
            "it is still stopped",
        )
        measured(ended_s=ended_s, blind_s=willed_s, judging_s=judging_s)
        assert ended_s < 3
        assert {held.halt_id for held in gateway.gate.open(time.time_ns())} == {halt["halt_id"]}
    assert live.lines("monitor.started")[-1]["restored"] is True
    assert await live.terminate() == 143
    assert {h["halt_id"] for h in await live.halts()} == {halt["halt_id"]}
    report = verify([live.audit], against=halt, keyring=live.keyring)
    assert report.ok, report.first_bad

"""A disk that is full for the trail, the snapshots and the log: halts go out, and all is well when there is room."""

import time

import pytest

from monitor.edge.audit import verify
from tests.real.live import Listener, monitor_on, until
from tests.real.small_disk import fill, small_disk

RUNAWAY = "P{n} C A F B done +300ms C C C"
DISK_MIB = 64  # a snapshot is 11 MB; three are kept, and one is being written


@pytest.fixture
def disk(tmp_path):
    """A small one, for everything that a monitor writes."""
    with small_disk(tmp_path / "disk", DISK_MIB) as where:
        yield where


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_on_a_full_disk_snapshots_stop_the_old_one_stays_and_it_heals(
    kafka_own, mosquitto, disk, measured
):
    folder = disk / "monitor"
    async with monitor_on(kafka_own, mosquitto, folder) as live:
        async with Listener(live) as gateway:
            began_s = time.monotonic()
            await live.send(RUNAWAY.format(n=1))
            _, first = await gateway.next(began_s, "halt")
            snapshots = folder / "snapshot"
            await until(lambda: list(snapshots.glob("*.kws")), "it saves")
            fill(disk / "filler")
            live.desk.name = "b"
            sent_s = time.monotonic()
            await live.send(RUNAWAY.format(n=2))
            halted_s, second = await gateway.next(sent_s, "halt", scope={"host": "b-gw-1"})
            await until(lambda: live.metric("knightwatch_snapshot_failures_total") > 0, "a snapshot fails")
            assert list(snapshots.glob("*.kws")), "the old one stays"
            assert live.get("/livez") == 200
            full_s = time.monotonic()
            (disk / "filler").unlink()
            await until(lambda: live.metric("knightwatch_snapshot_age_seconds") < 5, "it saves again")
            measured(halted_s=halted_s, saved_again_s=time.monotonic() - full_s)
            assert gateway.longest_silence_s(sent_s, "lease") < 3
            assert halted_s < 2
        assert await live.terminate() == 143
        report = verify([live.audit], keyring=live.keyring)
        assert report.ok, report.first_bad
        assert report.halts == 2 or report.gaps, "kept in memory until there was room, or said to be missing"

        await live.start()
        async with Listener(live) as gateway:
            _, state = await gateway.next(0, "state")
            assert {h["halt_id"] for h in state["open"]} == {first["halt_id"], second["halt_id"]}
        assert {h["halt_id"] for h in await live.halts()} == {first["halt_id"], second["halt_id"]}

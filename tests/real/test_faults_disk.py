"""A disk that is full for the trail, the snapshots and the log: halts go out, and all is well when there is room."""

import os
import subprocess
import time

import pytest

from monitor.edge.audit import verify
from tests.real.fixtures import IN_CI
from tests.real.live import REFERENCE, TELEMETRY, Listener, Live, place_of_its_own, until

RUNAWAY = "P{n} C A F B done +300ms C C C"
DISK_MIB = 64  # a snapshot is 11 MB; three are kept, and one is being written


@pytest.fixture
def disk(tmp_path):
    """A small one, for everything that a monitor writes."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        why = "needs root and a tmpfs, to have a disk that can be filled"
        pytest.fail(why) if IN_CI and os.geteuid() == 0 else pytest.skip(why)
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_on_a_full_disk_snapshots_stop_the_old_one_stays_and_it_heals(
    kafka_own, mosquitto, disk, measured
):
    kafka_own.create_topic(TELEMETRY)
    kafka_own.create_topic(REFERENCE)
    with place_of_its_own(disk / "monitor") as folder:
        live = Live(folder, kafka_own.bootstrap_servers, mosquitto)
        await live.start()
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
            halted_s, second = await gateway.next(sent_s, "halt")
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
        assert await live.terminate() == 143
        assert {h["halt_id"] for h in await live.halts()} == {first["halt_id"], second["halt_id"]}

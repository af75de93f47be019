"""A name server that hangs: judging, leases, halts, reloading and the end are held up by nothing."""

import asyncio
import time

import pytest

from tests.real.live import Listener, monitor_on, until
from tests.real.names import Names

RUNAWAY = "P1 C A F B done +300ms C C C"
DEAF_S = 6  # asked again twice a second and more: asyncio's own pool of threads would be full by then


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_with_a_name_server_that_hangs_it_judges_speaks_reloads_and_ends(
    kafka_own, mosquitto, tmp_path, measured
):
    """Both brokers are known by name, and mosquitto is made again meanwhile: its address is remembered."""
    port = kafka_own.bootstrap_servers.rpartition(":")[2]
    with Names() as names:
        async with monitor_on(
            kafka_own, mosquitto, tmp_path / "monitor",
            kafka_by=f"kafka.test:{port}", mqtt_host="mqtt.test", within=names.within(tmp_path),
        ) as live:  # fmt: skip
            async with Listener(live) as gateway:
                await gateway.next(0, "lease", status="judging")
                names.deaf = True
                asked, deaf_s = names.asked, time.monotonic()
                mosquitto.kill9()
                await asyncio.sleep(DEAF_S)
                await mosquitto.restart()
                back_s = time.monotonic()
                leased_s, _ = await gateway.next(back_s, "lease", status="judging")
                assert names.asked > asked
                with live.config.open("a") as config:
                    config.write("orphan_warn_count = 6\n")
                changed_s = time.monotonic()
                await until(lambda: live.lines("policy.changed"), "the configuration is read again")
                reloaded_s = time.monotonic() - changed_s
                sent_s = time.monotonic()
                await live.send(RUNAWAY)
                halted_s, _ = await gateway.next(sent_s, "halt")
                assert gateway.since(deaf_s, "lease", status="blind") == []
            ending_s = time.monotonic()
        ended_s = time.monotonic() - ending_s
    measured(mqtt_again_s=leased_s, reloaded_s=reloaded_s, halted_s=halted_s, ended_s=ended_s)
    assert leased_s < 3
    assert reloaded_s < 5
    assert halted_s < 2
    assert ended_s < 5

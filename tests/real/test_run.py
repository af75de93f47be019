"""`knightwatch run` beside real Kafka, mosquitto and Alertmanager: what an operator and a gateway see of it."""

import asyncio
import json
import os
import subprocess

import pytest

from monitor.edge.audit import verify
from tests.real.live import (
    DEAD,
    KNIGHTWATCH,
    REFERENCE,
    TELEMETRY,
    Listener,
    Live,
    place_of_its_own,
    until,
)
from tests.real.ports import free_port
from tests.real.prometheus import promtool_check

RUNAWAY = "P1 C A F done +300ms C C C"
SCOPE = {"host": "a-gw-1"}


def with_topics(kafka, partitions=1):
    kafka.create_topic(TELEMETRY, partitions)
    kafka.create_topic(REFERENCE)
    return kafka


@pytest.fixture
def folder(tmp_path):
    with place_of_its_own(tmp_path / "monitor") as made:
        yield made


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto", "alertmanager", "prometheus")
async def test_a_day_of_a_monitor(kafka_own, mosquitto_guarded, alertmanager, folder):
    """Events in, signed halt out on both roads, page, state, lease, metrics; ended, begun again, still stopped."""
    with_topics(kafka_own)
    live = Live(folder, kafka_own.bootstrap_servers, mosquitto_guarded, alertmanager=alertmanager.url)
    await live.start()
    async with Listener(live) as gateway:
        assert live.get("/livez") == 200
        events = await live.send(RUNAWAY)
        await live.send_raw([b"not json", b'{"kind":"fill"}'])
        halt = await live.first_halt()
        assert (halt["scope"], halt["level"], halt["reason_code"]) == (
            SCOPE,
            "halt_cancel",
            "child_after_done",
        )
        assert halt["evidence"][0]["topic"] == TELEMETRY
        await until(lambda: gateway.of("halt"), "the halt comes by MQTT")
        assert gateway.of("halt")[0]["halt_id"] == halt["halt_id"]

        await until(lambda: any(s["open"] for s in gateway.of("state")), "the state names it")
        topic, answer = live.ack(halt)
        await gateway.client.publish(topic, answer, qos=1)
        await until(lambda: live.metric("knightwatch_halts_unacknowledged") == 0, "the answer is heard")

        summaries = await until(
            lambda: [a["annotations"].get("summary", "") for a in alertmanager.alerts()],
            "amtool sees the page",
        )
        assert any(line.startswith("STOPPED host=a-gw-1") for line in summaries), summaries

        leases, states = len(gateway.of("lease")), len(gateway.of("state"))
        await asyncio.sleep(11)
        assert len(gateway.of("lease")) - leases >= 7
        assert len(gateway.of("state")) - states >= 2
        assert gateway.of("lease")[-1]["audit_head"]["count"] > halt["audit_head"]["count"]

        letters = await live.records(DEAD)
        told = [json.loads(dict(letter.headers)["knightwatch"]) for letter in letters]
        assert [(t["topic"], t["partition"], t["offset"]) for t in told] == [
            (TELEMETRY, 0, events),
            (TELEMETRY, 0, events + 1),
        ]
        assert [letter.value for letter in letters] == [b"not json", b'{"kind":"fill"}']

        assert promtool_check(live.metrics()) == ""
        assert live.metric("knightwatch_events_total") == events
        assert live.metric("knightwatch_records_quarantined_total") == 2

        assert await live.terminate() == 143
        await until(lambda: gateway.of("lease")[-1]["status"] == "blind", "its last words")
        assert list((folder / "snapshot").glob("*.kws"))
        last = gateway.of("lease")[-1]
        alertmanager.kill9()
        await alertmanager.restart()
        assert alertmanager.alerts() == []  # it forgets what nobody tells it again

        await live.start()
        before = len(gateway.heard)
        _, first = await gateway.next(gateway.heard[-1][0], "lease", status="judging")
        assert first["boot"] != last["boot"]
        assert first["seq"] > last["seq"], "numbers go on"
        await until(
            lambda: any(a["annotations"]["summary"].startswith("STOPPED") for a in alertmanager.alerts()),
            "the open page is posted again",
        )
        await live.send("C C C C")
        await until(lambda: live.metric("knightwatch_events_total") >= 4, "it goes on")
        open_now = await until(
            lambda: [s["open"] for _, s in gateway.heard[before:] if s["type"] == "state"], "it states again"
        )
        assert [h["halt_id"] for h in open_now[-1]] == [halt["halt_id"]]
        assert live.metric("knightwatch_events_total") == 4, (
            "from the snapshot's offsets, not from the beginning"
        )
    assert {h["halt_id"] for h in await live.halts()} == {halt["halt_id"]}
    assert await live.terminate() == 143
    report = verify([live.audit], against=halt, keyring=live.keyring)
    assert report.ok, report.first_bad
    assert report.halts == 1


def test_a_broker_that_is_not_there_is_said_at_once(folder):
    address = f"127.0.0.1:{free_port()}"
    live = Live(folder, address, None)
    done = subprocess.run(
        [*KNIGHTWATCH, "run", "-c", str(live.config)], capture_output=True, timeout=90, check=False
    )
    assert done.returncode == 69
    assert address in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_with_mqtt_dead_the_halt_goes_by_kafka(kafka_own, mosquitto, folder):
    with_topics(kafka_own)
    live = Live(folder, kafka_own.bootstrap_servers, mosquitto)
    await live.start()
    mosquitto.kill9()
    await live.send(RUNAWAY)
    halt = await live.first_halt()
    assert halt["scope"] == SCOPE
    await until(lambda: live.metric("knightwatch_halts_unacknowledged") == 1, "nobody has answered")
    await mosquitto.restart()
    async with Listener(live) as gateway:
        await until(
            lambda: any(s["open"] for s in gateway.of("state")), "and MQTT hears of it when it is back"
        )
    assert await live.terminate() == 143


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 4 MiB."""
    where = tmp_path / "small"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root and a tmpfs, to have a disk that can be filled")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_on_a_full_disk_the_halt_goes_out_and_the_trail_hides_nothing(
    kafka_own, mosquitto, folder, small_disk
):
    with_topics(kafka_own)
    live = Live(folder, kafka_own.bootstrap_servers, mosquitto, audit=small_disk / "audit")
    await live.start()
    async with Listener(live) as gateway:
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        await asyncio.sleep(3)  # its own lines meet the full disk
        await live.send(RUNAWAY)
        assert (await live.first_halt())["scope"] == SCOPE
        await until(lambda: gateway.of("halt"), "by MQTT too")
        filler.unlink()
        await asyncio.sleep(8)
    assert await live.terminate() == 143
    report = verify([live.audit], keyring=live.keyring)
    assert report.ok, report.first_bad
    assert report.halts == 1 or report.gaps  # kept in memory until there was room, or said to be missing

"""Each real part runs, obeys what tests do to it, and is gone when the tests are."""

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import aiomqtt
import httpx
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tests.real.alertmanager import Alertmanager
from tests.real.faketime import Beating
from tests.real.kafka import Kafka
from tests.real.mosquitto import USERS, Mosquitto
from tests.real.parts import PARTS
from tests.real.ports import PORTS, free_port
from tests.real.prometheus import Prometheus, promtool_check

DEADLINE_S = 60
REPOSITORY = Path(__file__).parents[2]

kafka_part = pytest.mark.real("kafka")
mosquitto_part = pytest.mark.real("mosquitto")
alertmanager_part = pytest.mark.real("alertmanager")
prometheus_part = pytest.mark.real("prometheus")


def kafka_producer(bootstrap_servers):
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=False,
        request_timeout_ms=2000,
        metadata_max_age_ms=1000,
    )


def kafka_consumer(bootstrap_servers):
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
        request_timeout_ms=2000,
        metadata_max_age_ms=1000,
    )


async def read_from_the_start(consumer, topic, partitions, count):
    assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(assigned)
    for partition in assigned:
        consumer.seek(partition, 0)
    records = []
    async with asyncio.timeout(DEADLINE_S):
        while len(records) < count:
            for fetched in (await consumer.getmany(timeout_ms=100)).values():
                records.extend(fetched)
    return records


@kafka_part
async def test_kafka_gives_back_what_it_was_given(kafka, topic_name):
    kafka.create_topic(topic_name, 4)
    async with (
        kafka_producer(kafka.bootstrap_servers) as producer,
        kafka_consumer(kafka.bootstrap_servers) as consumer,
    ):
        await asyncio.gather(
            *[await producer.send(topic_name, b"%d" % n, partition=n % 4) for n in range(400)]
        )
        records = await read_from_the_start(consumer, topic_name, 4, 400)
        first = next(record for record in records if record.partition == 0)
        moments = await consumer.offsets_for_times({TopicPartition(topic_name, 0): first.timestamp})
    for partition in range(4):
        values = [int(record.value) for record in records if record.partition == partition]
        assert values == list(range(partition, 400, 4))
    assert moments[TopicPartition(topic_name, 0)].offset == 0


@kafka_part
async def test_kafka_topics_grow_keep_their_settings_and_go(kafka, topic_name):
    kafka.create_topic(topic_name, 1, config={"cleanup.policy": "compact"})
    kafka.add_partitions(topic_name, 3)
    async with kafka_producer(kafka.bootstrap_servers) as producer:
        with pytest.raises(KafkaError):  # a compacted topic takes no record without a key
            await producer.send_and_wait(topic_name, b"no key", partition=0)
        await producer.send_and_wait(topic_name, b"there", key=b"k", partition=2)
    kafka.delete_topic(topic_name)
    async with kafka_producer(kafka.bootstrap_servers) as producer:
        with pytest.raises(KafkaError):
            await asyncio.wait_for(producer.send_and_wait(topic_name, b"gone"), DEADLINE_S)


@kafka_part
@pytest.mark.slow
async def test_three_nodes_lose_their_leader_and_no_record(kafka_three, topic_name):
    """The producer goes on by itself; the node comes back and follows."""
    kafka_three.create_topic(topic_name, 1)
    dead = kafka_three.leader_of(topic_name, 0)
    async with kafka_producer(kafka_three.bootstrap_servers) as producer:
        sent = [await producer.send(topic_name, b"%d" % n, partition=0) for n in range(100)]
        await asyncio.gather(*sent)
        kafka_three.kill9(dead)
        killed_at = time.monotonic()
        for n in range(100, 200):
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    try:
                        await producer.send_and_wait(topic_name, b"%d" % n, partition=0)
                        break
                    except KafkaError:
                        await asyncio.sleep(0.1)
            if n == 100:
                print(f"no leader for {time.monotonic() - killed_at:.1f} s")
        assert await kafka_three.leader_moved(topic_name, 0, away_from=dead) != dead
        async with kafka_consumer(kafka_three.bootstrap_servers) as consumer:
            records = await read_from_the_start(consumer, topic_name, 1, 200)
        assert {int(record.value) for record in records} == set(range(200))
        await kafka_three.restart(dead)
        async with asyncio.timeout(DEADLINE_S):
            while dead not in await asyncio.to_thread(kafka_three.in_sync, topic_name, 0):
                await asyncio.sleep(0.1)


@kafka_part
async def test_a_frozen_kafka_answers_nobody_until_it_thaws(kafka_own, topic_name):
    kafka_own.create_topic(topic_name)
    async with kafka_producer(kafka_own.bootstrap_servers) as producer:
        await producer.send_and_wait(topic_name, b"before")
        kafka_own.freeze(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(producer.send_and_wait(topic_name, b"during"), 1)
        kafka_own.thaw(1)
        await asyncio.wait_for(producer.send_and_wait(topic_name, b"after"), DEADLINE_S)


@kafka_part
async def test_a_client_of_kafka_stays_behind_the_proxy(kafka, topic_name):
    kafka.create_topic(topic_name)
    async with kafka.proxy() as proxy, kafka_producer(f"127.0.0.1:{proxy.port}") as producer:
        await producer.send_and_wait(topic_name, b"quick")
        proxy.delay_s = 0.2
        began = time.monotonic()
        await producer.send_and_wait(topic_name, b"slow")
        assert time.monotonic() - began >= 0.4  # there and back
        proxy.delay_s = 0.0
        proxy.reset()
        await asyncio.wait_for(producer.send_and_wait(topic_name, b"again"), DEADLINE_S)


def mqtt_client(broker, user, **settings):
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=user,
        username=user,
        password=USERS[user],
        tls_context=broker.guard.client_context(),
        timeout=5,
        **settings,
    )


async def next_message(client, within_s=DEADLINE_S):
    async with asyncio.timeout(within_s):
        return await anext(aiter(client.messages))


@mosquitto_part
async def test_mosquitto_lets_each_user_do_what_the_access_list_says(mosquitto_guarded):
    broker = mosquitto_guarded
    async with mqtt_client(broker, "monitor") as monitor, mqtt_client(broker, "gw-1") as gateway:
        await gateway.subscribe("risk/v1/demo/halt/#", qos=1)
        await monitor.subscribe("risk/v1/demo/ack/#", qos=1)
        await monitor.publish("risk/v1/demo/halt/7f3a", b"stop", qos=1)
        assert (await next_message(gateway)).payload == b"stop"
        # A publish that is not allowed returns as if it were: only silence tells.
        await gateway.publish("risk/v1/demo/ack/gw-2", b"in another's name", qos=1)
        await gateway.publish("risk/v1/demo/halt/7f3a", b"forged", qos=1)
        await gateway.publish("risk/v1/demo/ack/gw-1", b"applied", qos=1)
        assert (await next_message(monitor)).payload == b"applied"
        with pytest.raises(TimeoutError):
            await next_message(gateway, within_s=0.3)


@mosquitto_part
async def test_mosquitto_turns_away_a_wrong_password_and_no_password(mosquitto_guarded):
    settings = {"tls_context": mosquitto_guarded.guard.client_context(), "timeout": 5}
    for user in ({"username": "monitor", "password": "guessed"}, {}):
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client(mosquitto_guarded.host, mosquitto_guarded.port, **user, **settings):
                pass


@mosquitto_part
@pytest.mark.parametrize("keeps_retained", [False, True])
async def test_mosquitto_killed_loses_or_keeps_what_was_retained(tmp_path, keeps_retained):
    with Mosquitto(tmp_path, keeps_retained=keeps_retained) as broker:
        async with aiomqtt.Client(broker.host, broker.port, timeout=5) as monitor:
            await monitor.publish("risk/v1/demo/state/m-1", b"open: 1", qos=1, retain=True)
        if keeps_retained:
            broker.server.wait_until((broker.server.folder / "mosquitto.db").exists)
        broker.kill9()
        await broker.restart()
        async with aiomqtt.Client(broker.host, broker.port, timeout=5) as gateway:
            await gateway.subscribe("risk/v1/demo/state/#", qos=1)
            if keeps_retained:
                assert (await next_message(gateway)).payload == b"open: 1"
            else:
                with pytest.raises(TimeoutError):
                    await next_message(gateway, within_s=0.3)


def an_alert(halt_id):
    now = dt.datetime.now(dt.UTC)
    return {
        "labels": {"alertname": "KnightwatchHalt", "halt_id": halt_id},
        "annotations": {"summary": "STOPPED host=smars-8"},
        "startsAt": now.isoformat(),
        "endsAt": (now + dt.timedelta(hours=24)).isoformat(),
    }


@alertmanager_part
def test_amtool_sees_an_alert_and_no_longer_when_it_is_resolved(alertmanager):
    alert = an_alert("7f3a")
    httpx.post(f"{alertmanager.url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()
    (seen,) = alertmanager.alerts("halt_id=7f3a")
    assert seen["annotations"] == alert["annotations"]
    assert alertmanager.alerts("halt_id=other") == []
    alert["endsAt"] = dt.datetime.now(dt.UTC).isoformat()
    httpx.post(f"{alertmanager.url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()
    assert alertmanager.alerts("halt_id=7f3a") == []


@alertmanager_part
async def test_alertmanager_pages_a_webhook(tmp_path):
    heard = asyncio.Event()

    async def receive(reader, writer):
        if b"KnightwatchHalt" in await reader.readuntil(b"7f3a"):
            heard.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as hook:
        port = hook.sockets[0].getsockname()[1]
        with Alertmanager(tmp_path, webhook_url=f"http://127.0.0.1:{port}/") as alertmanager:
            async with httpx.AsyncClient() as client:
                await client.post(f"{alertmanager.url}/api/v2/alerts", json=[an_alert("7f3a")])
            async with asyncio.timeout(DEADLINE_S):
                await heard.wait()


GOOD_PAGE = """\
# HELP knightwatch_events_total Events judged.
# TYPE knightwatch_events_total counter
knightwatch_events_total 1
"""


@prometheus_part
def test_promtool_passes_a_good_page_and_names_what_is_wrong_with_a_bad_one():
    assert promtool_check(GOOD_PAGE) == ""
    assert "knightwatch_events" in promtool_check(GOOD_PAGE.replace("_total", ""))


@prometheus_part
async def test_prometheus_scrapes_a_page(tmp_path):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = GOOD_PAGE.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as page:
        port = page.sockets[0].getsockname()[1]
        with Prometheus(tmp_path, f"127.0.0.1:{port}") as prometheus:
            async with asyncio.timeout(DEADLINE_S):
                while not (found := await asyncio.to_thread(prometheus.query, "knightwatch_events_total")):
                    await asyncio.sleep(0.2)
    assert found[0]["value"][1] == "1"


PARENT = """\
import pathlib, sys, time
from tests.real.mosquitto import Mosquitto
broker = Mosquitto(pathlib.Path(sys.argv[1]))
broker.start()
print(broker.server.pid, flush=True)
time.sleep(60)
"""


@mosquitto_part
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_the_tests_that_started_it(tmp_path, how):
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        server = psutil.Process(int(parent.stdout.readline()))
        assert "mosquitto" in server.cmdline()[0]
        parent.send_signal(how)
    gone, _ = psutil.wait_procs([server], timeout=10)
    assert gone == [server]


def test_ports_are_below_those_that_the_kernel_hands_out():
    ports = {free_port() for _ in range(20)}
    assert len(ports) == 20
    assert ports < set(PORTS)


@pytest.mark.parametrize("in_ci", [True, False])
def test_a_missing_part_fails_in_ci_and_is_skipped_with_the_way_to_get_it_elsewhere(tmp_path, in_ci):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.real.fixtures"]\n')
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.real('kafka')\ndef test_it(kafka):\n    pass\n",
    )
    environment = {
        **os.environ,
        "CI": "true" if in_ci else "",
        "KNIGHTWATCH_KAFKA_JARS": "/nowhere",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "kafka is missing: `make real` gets it" in done.stdout
    assert ("1 error" if in_ci else "1 skipped") in done.stdout
    assert done.returncode == (1 if in_ci else 0)


def test_every_part_has_a_fixture_or_a_class():
    assert set(PARTS) == {
        cls.__module__.rsplit(".", 1)[-1] for cls in (Kafka, Mosquitto, Alertmanager, Prometheus, Beating)
    }

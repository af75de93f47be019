"""The worked example of a staged roll-out, against a real broker and eight simulated hosts.

One host may refuse the new build, lie about it, or go down: the roll-out stops at its stage, whose hosts are
drained and halted, and no command reaches any other.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from monitor.core.keyring import Role
from monitor.core.roads import COMMANDS
from monitor.edge import keys
from monitor.edge.audit import read
from monitor.edge.embedded import EmbeddedMqtt
from tests.real.live import KNIGHTWATCH, REFERENCE, TELEMETRY

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "deploy" / "rollout" / "rollout.py"
HOSTS = tuple(f"smars-{n}" for n in range(1, 9))
OLD, NEW = "rlp-1", "rlp-2"
PARTITIONS = 2
PATIENCE_S = 240  # a dozen short-lived processes on a busy machine

CONFIG = """
site = "nyc"
env = "demo"
[kafka]
bootstrap_servers = "{kafka}"
[mqtt]
port = {mqtt}
[keys]
signing_key_file = "{folder}/monitor.key"
[audit]
folder = "{folder}/audit"
[telemetry]
session_start = "00:00"
[rollout]
pilot_days = 5
proven = ["rlp-1"]
[detectors.exposure]
mode = "armed"
limit = [
  {{ scope = "account=*", gross = 1e9 }},
  # rollout: pilot limit
  # rollout: end
]
[detectors.fleet]
mode = "page"
manifest = [{{ role = "router", hosts = ["smars-*"], count = 8, build = "rlp-1", flags = ["rlp"] }}]
"""


class Fleet:
    """Eight hosts that say each 300 ms what they run; `install` writes a file that they read.

    `fault`: what one of them does instead, by its name: refuses, lies or goes down.
    """

    def __init__(self, folder, kafka, fault):
        self.folder, self.kafka, self.fault = folder, kafka, fault

    def beat(self, host):
        file = self.folder / "installed" / host
        asked = file.read_text() if file.exists() else OLD
        does = self.fault.get(host) if asked != OLD else None
        if does == "is down":
            return None
        build = OLD if does == "refuses" else asked
        config = "c-1" if build == OLD or does == "lies" else "c-2"  # new code by name, old configuration
        return {
            "kind": "heartbeat", "source": "fleet", "ts": time.time_ns(), "host": host, "build": build,
            "config_hash": config, "flags": ["rlp"], "role": "router",
        }  # fmt: skip

    async def live(self):
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka)
        await producer.start()
        try:
            while True:
                for host in HOSTS:
                    if (event := self.beat(host)) is not None:
                        await producer.send(TELEMETRY, json.dumps(event).encode(), key=host.encode())
                await asyncio.sleep(0.3)
        finally:
            await producer.stop()

    @property
    def touched(self):
        return {file.name for file in (self.folder / "installed").iterdir()}


def plan_of(folder, stages):
    (folder / "installed").mkdir()
    copy = "import pathlib, sys; pathlib.Path(sys.argv[1], sys.argv[2]).write_text(sys.argv[3])"
    install = [sys.executable, "-c", copy, str(folder / "installed"), "{host}", "{build}"]
    lines = [
        f'role = "router"\nbuild = "{NEW}"\nticket = "CHG-1"\nactor = "anna"\nwait = "15s"\ndrain_s = 1',
        f'operator_key = "{folder}/anna.key"\nconfig = "{folder}/knightwatch.toml"',
        f"install = {json.dumps(install)}\nknightwatch = {json.dumps(KNIGHTWATCH)}",
        *(f'[[stages]]\nhosts = {json.dumps(hosts)}\nlimit = "gross = {gross}"' for hosts, gross in stages),
    ]
    (folder / "plan.toml").write_text("\n".join(lines))


async def records(kafka, topic):
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += [json.loads(record.value) for record in batch if record.value]
        return found
    finally:
        await consumer.stop()


async def rolled_out(folder, kafka, mqtt, stages, fault, *more):
    """Run the example; its status and what it said."""
    (folder / "knightwatch.toml").write_text(CONFIG.format(kafka=kafka, mqtt=mqtt.port, folder=folder))
    keys.keygen(folder / "monitor.key", "monitor-1", Role.MONITOR)
    keys.keygen(folder / "anna.key", "anna", Role.OPERATOR)
    plan_of(folder, stages)
    fleet = Fleet(folder, kafka, fault)
    living = asyncio.ensure_future(fleet.live())
    try:
        await asyncio.sleep(1)
        done = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT), str(folder / "plan.toml"), *more, cwd=ROOT, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            _, said = await done.communicate()
        assert not living.done()
    finally:
        living.cancel()
    return done.returncode, said.decode(), fleet


async def halts(kafka):
    sealed = await records(kafka, COMMANDS)
    said = [json.loads(base64.b64decode(one["payload"])) for one in sealed]
    return [(one["scope"], one["level"]) for one in said if one["type"] == "halt"]


@pytest.fixture
async def mqtt():
    async with EmbeddedMqtt() as broker:
        yield broker


@pytest.fixture
def servers(kafka_own):
    for topic in (TELEMETRY, REFERENCE, COMMANDS):
        kafka_own.create_topic(topic, PARTITIONS)
    return kafka_own.bootstrap_servers


@pytest.mark.real("kafka")
@pytest.mark.parametrize(("fault", "seen"), [
    ("refuses", f"runs {OLD}, expected {NEW}"),
    ("lies", "configuration c-1, others of its build say c-2"),
    ("is down", "was last heard"),
])  # fmt: skip
async def test_a_host_that_does_not_follow_stops_its_stage_and_no_other(tmp_path, servers, mqtt, fault, seen):
    stages = [(HOSTS[:2], 1_000_000), (HOSTS[2:4], 5_000_000), (HOSTS[4:], 9_000_000)]
    status, said, fleet = await rolled_out(tmp_path, servers, mqtt, stages, {HOSTS[3]: fault})
    assert status == 1, said
    assert seen in said.replace("\n", " ")
    assert fleet.touched == set(HOSTS[:4])
    stopped = await halts(servers)
    assert sorted((scope["host"], level) for scope, level in stopped) == [
        (host, level) for host in HOSTS[2:4] for level in ("halt_cancel", "halt_new")
    ]
    steps = [event for event in await records(servers, TELEMETRY) if event["kind"] == "deploy"]
    last = {event["host"]: event["phase"] for event in sorted(steps, key=lambda event: event["ts"])}
    assert last == dict.fromkeys(HOSTS[:2], "done") | dict.fromkeys(HOSTS[2:4], "rolled_back")
    config = (tmp_path / "knightwatch.toml").read_text()
    assert f'scope = "build={NEW}", gross = 1000000' in config  # the first stage's limit is in force again
    answers = [
        line.fields["ready"] for line in read([tmp_path / "audit" / "ready"]) if "ready" in line.fields
    ]
    assert answers == [True, True, False]


@pytest.mark.real("kafka")
async def test_eight_hosts_that_follow_are_rolled_out_stage_by_stage(tmp_path, servers, mqtt):
    stages = [(HOSTS[:1], 1_000_000), (HOSTS[1:], 9_000_000)]
    status, said, fleet = await rolled_out(tmp_path, servers, mqtt, stages, {})
    assert status == 0, said
    assert fleet.touched == set(HOSTS)
    assert await halts(servers) == []
    assert f'scope = "build={NEW}", gross = 9000000' in (tmp_path / "knightwatch.toml").read_text()
    answers = [line.fields for line in read([tmp_path / "audit" / "ready"]) if "ready" in line.fields]
    assert [one["builds"] for one in answers] == [{OLD: 8}, {OLD: 7, NEW: 1}, {NEW: 8}, {NEW: 8}]
    assert all(one["ready"] for one in answers)


@pytest.mark.real("kafka")
async def test_nothing_is_begun_on_a_fleet_that_is_not_as_declared(tmp_path, servers, mqtt, monkeypatch):
    beat = Fleet.beat
    monkeypatch.setattr(Fleet, "beat", lambda self, host: beat(self, host) if host != HOSTS[7] else None)
    status, said, fleet = await rolled_out(tmp_path, servers, mqtt, [(HOSTS[:1], 1_000_000)], {})
    assert (status, fleet.touched) == (1, set())
    assert "declared 8, arrived 7" in said

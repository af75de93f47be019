"""Killed at every durable step and begun again, a monitor ends as one that nobody killed: same halts, on both
roads, and an audit trail that verifies and is judged again to the same commands.

Every life is a real process beside a real Kafka and a real mosquitto; `tests/lives.py` says how it starts so soon.
"""

import ast
import asyncio
import base64
import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detectors.scope import Scope
from monitor.core.identity import halt_id
from monitor.core.inputs import SourcePart
from monitor.core.keyring import Role
from monitor.core.roads import COMMANDS
from monitor.demo.recording import Recording
from monitor.edge import keys
from monitor.edge.audit import read, verify
from monitor.failpoints import NAMES
from monitor.settings import load
from monitor.trail_replay import replay_trail
from tests import lives
from tests.real.mosquitto import Mosquitto
from tests.streams import Desk, orders

ROOT = Path(__file__).parent.parent
PATIENCE_S = 60
AT_ONCE = 2
REACHED_S = 4  # after its halts a life that is still alive is asked to end, and dies on its way
RUNAWAY = "P1 C A F done +300ms C C C C"
WHOLE = ""  # the life that nobody ends

CONFIG = """\
site = "{site}"
env = "test"
issuer = "monitor-1"
[kafka]
bootstrap_servers = "{kafka}"
inputs = [{{ topic = "{topic}" }}]
[mqtt]
host = "localhost"
port = {mqtt_port}
[keys]
signing_key_file = "{keys}/monitor.key"
pinned_keys_file = "{keys}/pinned.toml"
[audit]
folder = "{folder}/audit"
[snapshot]
folder = "{folder}/snapshot"
[http]
port = 0
[telemetry]
parented = [{{ hosts = ["*"], strategies = ["*"] }}]
[detectors.child_parent]
mode = "armed"
"""

# Which pass of a point kills: the first snapshot is empty, the next one is that of a wanted end; the trail is
# written ten times a second, and a life of a second or so shall lie before the kill.
NTH = {"store": 2, "audit": 12}
ONCE = {"audit.new_file", "records.judged"}


def asked_for(name):
    nth = 1 if name in ONCE else NTH.get(name.partition(".")[0], 1)
    return f"{name}:{nth}"


POINTS = {asked_for(name): name for name in NAMES} | {
    "halt.settled:2": "halt.settled",
    "audit.before_fsync:3": "audit.before_fsync",
}


@dataclass
class Outcome:
    """What became of one monitor, over all of its lives."""

    ends: list[int] = field(default_factory=list)  # exit codes
    halts: dict[str, dict[str, dict]] = field(default_factory=dict)  # by road, by id
    report: object = None
    replayed: object = None
    folder: Path = Path()


class World:
    """One Kafka, one mosquitto, many monitors, each with its site and its topic."""

    def __init__(self, kafka, mosquitto, folder):
        self.kafka, self.mosquitto, self.folder = kafka, mosquitto, folder
        pinned = keys.keygen(folder / "monitor.key", "monitor-1", Role.MONITOR)
        (folder / "pinned.toml").write_text(pinned.toml)
        self.keyring = keys.load_keyring(folder / "pinned.toml")
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.heard = {}  # (site, road) -> id -> payload
        self.before, self.after = a_stream()

    async def __aenter__(self):
        self.producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers, acks="all")
        await self.producer.start()
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers, auto_offset_reset="earliest"
        )
        await self.consumer.start()
        self.consumer.assign([TopicPartition(COMMANDS, 0)])
        self.mqtt = await aiomqtt.Client("localhost", self.mosquitto.port).__aenter__()
        await self.mqtt.subscribe("risk/v1/+/halt/+", qos=1)
        self.listening = [asyncio.create_task(self._by_kafka()), asyncio.create_task(self._by_mqtt())]
        return self

    async def __aexit__(self, *how):
        for task in self.listening:
            task.cancel()
        await asyncio.wait(self.listening)
        await self.mqtt.__aexit__(None, None, None)
        await self.consumer.stop()
        await self.producer.stop()

    async def _by_kafka(self):
        async for record in self.consumer:
            self._hear("kafka", record.value)

    async def _by_mqtt(self):
        async for message in self.mqtt.messages:
            self._hear("mqtt", bytes(message.payload))

    def _hear(self, road, raw):
        payload = json.loads(base64.b64decode(json.loads(raw)["payload"]))
        self.heard.setdefault((payload["site"], road), {})[payload["halt_id"]] = payload

    def halts(self, site, road):
        return self.heard.get((site, road), {})

    async def send(self, topic, records):
        for at_ms, value in records:
            await self.producer.send_and_wait(topic, value, partition=0, timestamp_ms=at_ms)

    async def one(self, asked):
        """Live, be killed at the point, live on; and what the world and the trail say of it."""
        async with self.turns, asyncio.timeout(PATIENCE_S):
            site = "s" + "".join(letter if letter.isalnum() else "-" for letter in asked)
            outcome = Outcome(folder=self.folder / site)
            outcome.folder.mkdir()
            config = outcome.folder / "knightwatch.toml"
            config.write_text(
                CONFIG.format(
                    site=site, kafka=self.kafka.bootstrap_servers, topic=site, folder=outcome.folder,
                    mqtt_port=self.mosquitto.port, keys=self.folder,
                )
            )  # fmt: skip
            await asyncio.to_thread(self.kafka.create_topic, site)
            await self._first_lives(outcome, config, site, asked)
            life = lives.begin(config)
            await self.send(site, self.after)
            await while_alive(
                life, lambda: len(self.halts(site, "mqtt")) == len(self.halts(site, "kafka")) == 2
            )
            os.kill(life.pid, signal.SIGTERM)
            outcome.ends.append(await ended(life))
            outcome.halts = {road: self.halts(site, road) for road in ("kafka", "mqtt")}
            outcome.report = verify([outcome.folder / "audit"], keyring=self.keyring)
            outcome.replayed = replay_trail(
                self.recorded(outcome.folder), [outcome.folder / "audit"], load(config)
            )
            return outcome

    async def _first_lives(self, outcome, config, site, asked):
        """Until it was killed; the one that nobody kills only hears the first half of the stream."""
        if asked.startswith("state."):  # there must be a state
            life = lives.begin(config)
            await self.send(site, self.before)
            await while_alive(life, lambda: self.halts(site, "kafka"))
            os.kill(life.pid, signal.SIGTERM)
            outcome.ends.append(await ended(life))
            outcome.ends.append(await ended(lives.begin(config, asked)))
            return
        life = lives.begin(config, asked)
        await self.send(site, self.before)
        if asked == WHOLE:
            await while_alive(life, lambda: self.halts(site, "kafka"))
            os.kill(life.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REACHED_S):
                await until(lambda: self.halts(site, "kafka") or not life.is_alive())
                await until(lambda: not life.is_alive())
        if life.is_alive():
            os.kill(life.pid, signal.SIGTERM)
        outcome.ends.append(await ended(life))

    def recorded(self, folder):
        """The records of the trail's arrivals, over all lives, as a recording would hold them."""
        path = folder / "recording.ndjson"
        sent = [*self.before, *self.after]
        with Recording(path) as recording:
            for line in read([folder / "audit"]):
                for _, first, last in line.fields["ranges"] if line.what == "records.arrived" else ():
                    some = sent[first : last + 1]
                    times = np.array([at_ms * 1_000_000 for at_ms, _ in some], np.int64)
                    recording.write(
                        SourcePart("t", 0), [value for _, value in some], np.arange(len(some)), times
                    )
        return path


def a_stream():
    """Two halves of a stream with a halt in each, and a broken record: (broker's time in ms, value)."""
    halves, now = [], time.time_ns() - 5_000_000_000
    for name in ("a", "b"):
        desk = Desk(name, now=now)
        told = orders(RUNAWAY, desk)
        records = [
            (event.pop("arrival_ts") // 1_000_000, json.dumps(event).encode())
            for event in (dict(event) for event in told)
        ]
        halves.append(records)
        now += 2_000_000_000
    halves[0].insert(3, (halves[0][3][0], b"not json"))
    return halves


async def until(true):
    while not true():
        await asyncio.sleep(0.02)


async def while_alive(life, true):
    await until(lambda: true() or not life.is_alive())
    assert life.is_alive(), f"it ended with {life.exitcode}; its log lies beside its configuration"


async def ended(life):
    await until(lambda: not life.is_alive())
    return life.exitcode


@pytest.fixture(scope="module")
def outcomes(kafka, tmp_path_factory):
    """All lives of all monitors, two monitors at a time."""
    folder = tmp_path_factory.mktemp("recovery")

    async def live():
        with Mosquitto(folder) as mosquitto:
            await asyncio.to_thread(kafka.create_topic, COMMANDS)
            async with World(kafka, mosquitto, folder) as world:
                asked = (WHOLE, *POINTS)
                found = await asyncio.gather(*map(world.one, asked), return_exceptions=True)
                return dict(zip(asked, found, strict=True))

    return asyncio.run(live())


def essence(halts):
    """What must be the same whoever lived: all but the words of one life, and the site in the id."""
    return sorted(
        (
            halt["event_ts"], halt["detector"], halt["reason_code"], Scope.of(halt["scope"]).text, halt["level"],
            halt["measured"], halt["halt_id"] == expected_id(halt),
        )
        for halt in halts.values()
    )  # fmt: skip


def expected_id(halt):
    day = str(np.datetime64(halt["event_ts"], "ns").astype("datetime64[D]"))
    scope = Scope.of(halt["scope"]).text
    return halt_id(halt["site"], halt["env"], halt["detector"], halt["reason_code"], scope, day, 0)


def of(outcomes, asked):
    outcome = outcomes[asked]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
def test_the_life_that_nobody_ends_halts_twice(outcomes):
    whole = of(outcomes, WHOLE)
    assert [one[3] for one in essence(whole.halts["kafka"])] == ["host=a-gw-1", "host=b-gw-1"]
    assert all(one[-1] for one in essence(whole.halts["kafka"]))


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
@pytest.mark.parametrize("asked", POINTS)
def test_killed_there_it_ends_like_the_uninterrupted_run(outcomes, asked):
    outcome, whole = of(outcomes, asked), of(outcomes, WHOLE)
    assert -signal.SIGKILL in outcome.ends, f"{asked} was never reached: {outcome.ends}"
    assert outcome.ends[-1] == 143
    for road in ("kafka", "mqtt"):
        assert essence(outcome.halts[road]) == essence(whole.halts[road]), road
    assert outcome.report.ok, outcome.report.first_bad
    assert outcome.report.halts >= 2
    assert outcome.replayed.is_equal, outcome.replayed


def test_every_failpoint_stands_somewhere_and_every_one_that_stands_is_known():
    found = set()
    for path in (ROOT / "monitor").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="failpoint"), args=[ast.Constant(value=name)]):
                    found.add(name)
    assert found == set(NAMES) == set(POINTS.values())

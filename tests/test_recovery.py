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
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Confluent

from detectors.scope import Scope
from monitor.core.identity import halt_id
from monitor.core.inputs import SourcePart
from monitor.core.keyring import Role
from monitor.core.roads import COMMANDS
from monitor.demo.recording import Recording
from monitor.edge import keys
from monitor.edge.audit import read, verify
from monitor.failpoints import NAMES
from monitor.outside import DEAD_LETTERS
from monitor.settings import load
from monitor.trail_replay import replay_trail
from tests import lives
from tests.real.mosquitto import Mosquitto
from tests.streams import Desk, orders

ROOT = Path(__file__).parent.parent
PATIENCE_S = 90
AT_ONCE = 2
REACHED_S = 8  # after its halts a life that is still alive is asked to end, and dies on its way
RUNAWAY = "P1 C A F done +300ms C C C C"
LEASES_S = 1.5
WHOLE = ""  # the life that nobody ends
WORD = "POISON"
POISON = b'{"kind":"error","ts":1,"host":"x","reason":"POISON"}'

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
    trail: list = field(default_factory=list)
    sent: list = field(default_factory=list)
    blind_s: float = 0.0
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
        self.status = {}  # of the last lease
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
        for what in ("halt", "lease"):
            await self.mqtt.subscribe(f"risk/v1/+/{what}/+", qos=1)
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
        if payload["type"] == "lease":
            self.status[payload["site"]] = payload["status"]
            return
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
            outcome, config = await self._prepared(site)
            outcome.sent = [*self.before, *self.after]
            await self._first_lives(outcome, config, site, asked)
            life = lives.begin(config)
            await self.send(site, self.after)
            return await self._finished(outcome, config, site, life)

    async def _prepared(self, site):
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
        return outcome, config

    async def _finished(self, outcome, config, site, life):
        """Both halts on both roads; then the last life ends as wanted, and its trail is read."""
        await while_alive(life, lambda: len(self.halts(site, "mqtt")) == len(self.halts(site, "kafka")) == 2)
        os.kill(life.pid, signal.SIGTERM)
        outcome.ends.append(await ended(life))
        outcome.halts = {road: self.halts(site, road) for road in ("kafka", "mqtt")}
        trail = outcome.folder / "audit"
        outcome.report = verify([trail], keyring=self.keyring)
        outcome.trail = list(read([trail]))
        outcome.replayed = replay_trail(recorded(outcome), [trail], load(config))
        return outcome

    async def poisoned(self):
        """Ended by a record, and begun again as a supervisor does."""
        async with self.turns, asyncio.timeout(PATIENCE_S):
            site = "poisoned"
            outcome, config = await self._prepared(site)
            outcome.sent = [*self.before[:5], (self.before[5][0], POISON), *self.before[5:], *self.after]
            await self.send(site, outcome.sent)
            began_s, life = 0.0, None
            while not self._is_degraded_and_halted(site):
                life = lives.FromNothing(config, f"judge.record={WORD}")
                await until(lambda life=life: self._is_degraded_and_halted(site) or not life.is_alive())
                if not life.is_alive():
                    began_s = began_s or time.monotonic()
                    outcome.ends.append(life.exitcode)
                assert len(outcome.ends) < 5, outcome.ends
            outcome.blind_s = time.monotonic() - began_s
            await asyncio.sleep(LEASES_S)  # until a lease has named it
            print(f"from the first crash to both halts and the lease: {outcome.blind_s:.1f} s")
            return await self._finished(outcome, config, site, life)

    def _is_degraded_and_halted(self, site):
        return len(self.halts(site, "kafka")) == 2 and self.status.get(site) == "degraded"

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
        if asked.startswith("suspects."):  # there must be a crash to learn from
            life = lives.begin(config, "records.judged")
            await self.send(site, self.before)
            outcome.ends.append(await ended(life))
            outcome.ends.append(await ended(lives.begin(config, asked)))
            assert outcome.ends == [-signal.SIGKILL] * 2, f"{asked} was never reached: {outcome.ends}"
            return
        life = lives.begin(config, asked)
        await self.send(site, self.before)
        await until(lambda: self.halts(site, "kafka") or not life.is_alive())
        if asked and not asked.startswith("store."):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REACHED_S):
                    await until(lambda: not life.is_alive())
        if life.is_alive():
            os.kill(life.pid, signal.SIGTERM)
        outcome.ends.append(await ended(life))


def recorded(outcome):
    """The records of the trail's arrivals, over all lives, as a recording would hold them."""
    path = outcome.folder / "recording.ndjson"
    with Recording(path) as recording:
        for line in outcome.trail:
            for _, first, last in line.fields["ranges"] if line.what == "records.arrived" else ():
                some = outcome.sent[first : last + 1]
                times = np.array([at_ms * 1_000_000 for at_ms, _ in some], np.int64)
                recording.write(SourcePart("t", 0), [value for _, value in some], np.arange(len(some)), times)
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


def dead_letters(bootstrap_servers):
    """All that were set aside, with what was said of each."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "letters"})
    consumer.assign([Confluent(DEAD_LETTERS, 0, 0)])
    _, end = consumer.get_watermark_offsets(Confluent(DEAD_LETTERS, 0))
    found = [consumer.poll(10) for _ in range(end)]
    consumer.close()
    return [(json.loads(dict(letter.headers())["knightwatch"]), letter.value()) for letter in found]


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
                lived = [*map(world.one, asked), world.poisoned()]
                found = await asyncio.gather(*lived, return_exceptions=True)
                letters = await asyncio.to_thread(dead_letters, kafka.bootstrap_servers)
                return dict(zip((*asked, WORD), found, strict=True)) | {"letters": letters}

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


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
def test_a_record_that_crashes_us_ends_one_life_and_a_child_of_the_next(outcomes):
    """Set aside with its bytes, said in a page and in each lease; all others are judged as ever."""
    outcome, whole = of(outcomes, WORD), of(outcomes, WHOLE)
    crashes, last = outcome.ends[:-1], outcome.ends[-1]  # a second one, where no child was first to judge it
    assert (set(crashes), last) == ({-signal.SIGSEGV}, 143)
    assert len(crashes) <= 2
    for road in ("kafka", "mqtt"):
        assert essence(outcome.halts[road]) == essence(whole.halts[road]), road
    assert outcome.report.ok, outcome.report.first_bad
    assert outcome.replayed.is_equal, outcome.replayed
    said = [(line.what, line.fields) for line in outcome.trail]
    assert ("record.quarantined", {"part": 0, "offset": 5, "path": "", "reason": "crashed_us"}) in said
    assert any(what == "page.commanded" and told["key"] == "self/crashed/poisoned/0@5" for what, told in said)
    leases = [told for what, told in said if what == "lease.commanded"]
    reasons = {reason for told in leases for reason in told["reasons"]}
    assert "record poisoned/0@5 is not judged: it crashed us" in reasons
    [letter] = [value for told, value in outcomes["letters"] if told["reason"] == "crashed_us"]
    assert letter == POISON


def test_every_failpoint_stands_somewhere_and_every_one_that_stands_is_known():
    found = set()
    for path in (ROOT / "monitor").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="failpoint"), args=[ast.Constant(value=name)]):
                    found.add(name)
    assert found == set(NAMES) == set(POINTS.values())

"""Order gateways: the product's own `Gate` and `Voice` at the end of both roads.

Each reads the halt topics from their ends, hears MQTT, obeys, and answers on both roads.  One that
was killed begins anew and knows nothing; one that is cut from a road hears the other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition

from detectors.contract import Level
from detectors.scope import KINDS
from monitor.core.roads import ACKS, COMMANDS, LEASES, STATES
from monitor.gateway import Gate, Voice
from monitor.gateway.voice import Letter
from tests.world.keys import keys
from tests.world.mqtt import Session

if TYPE_CHECKING:
    from tests.world.world import World

HEARD: Final = (COMMANDS, STATES, LEASES)
HELLO_S: Final = 5.0
LOOK_S: Final = 0.2
AGAIN_S: Final = 0.3
SITE: Final = "w"
FILTERS: Final = tuple(f"risk/v1/{SITE}/{what}" for what in ("halt/+", "resume/+", "state/#", "lease/+"))


class Gateway:
    """One gateway, through all of its lives."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.gate: Gate | None = None  # of the life that it lives now
        self.cut: set[str] = set()  # roads that it does not hear
        self.levels: dict[tuple[str, str], Level] = {}  # what this life holds
        self.began_ns = 0
        self._boots = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._session: Session | None = None
        self._chance = world.chance.of(f"gateway/{name}")
        self._told, self._gone = asyncio.Event(), asyncio.Event()  # Kafka has more; the session ended
        world.kafka.on_append.append(self._appended)

    def start(self) -> None:
        self._boots += 1
        self.began_ns = self.world.loop.now_ns
        self.gate = Gate(self.name, site=SITE, env=SITE, keyring=keys().keyring, now_ns=self.world.now_ns())
        self._voice = Voice(
            keys().signers[self.name], self.name, site=SITE, env=SITE, boot=f"{self._boots:032}"
        )
        self.levels = {}
        works = (self._hear_kafka(), self._hear_mqtt(), self._announce())
        self._tasks = [self.world.loop.create_task(work) for work in works]

    def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks, self.gate = [], None
        self._leave()

    def cut_off(self, roads: set[str]) -> None:
        self.cut = roads
        if "mqtt" in roads:
            self._leave()

    def _appended(self, topic: str, *_: object) -> None:
        if topic in HEARD:
            self._told.set()

    def _leave(self) -> None:
        session, self._session = self._session, None
        self._gone.set()
        if session is not None:
            self.world.mqtt.leave(session, farewell=False)

    # -- hearing

    async def _hear_kafka(self) -> None:
        kafka = self.world.kafka
        at = {topic: kafka.topics[topic].logs[0].end for topic in HEARD}
        while True:
            if all(at[topic] == kafka.topics[topic].logs[0].end for topic in HEARD):
                self._told.clear()
                await self._told.wait()  # what nobody wrote is not looked for
                await asyncio.sleep(self._chance.uniform(0.0, LOOK_S))
            else:
                await asyncio.sleep(LOOK_S)
            for topic in HEARD:
                log = kafka.log(TopicPartition(topic, 0))
                if log is None or not (kafka.up and log.leader) or "kafka" in self.cut:
                    continue
                for record in log.read(at[topic], 1_000):
                    at[topic] = record.offset + 1
                    if record.value:
                        self._hear(record.value)

    async def _hear_mqtt(self) -> None:
        broker = self.world.mqtt
        while True:
            if self._session is None and broker.up and "mqtt" not in self.cut:
                self._session = Session(self._heard_mqtt, self._lost)
                broker.sessions.append(self._session)
                broker.subscribe(self._session, FILTERS)
            if self._session is not None:
                self._gone.clear()
                await self._gone.wait()
            await asyncio.sleep(AGAIN_S)

    def _heard_mqtt(self, topic: str, payload: bytes, retained: bool) -> None:
        if payload and self.gate is not None:
            self._hear(payload)

    def _lost(self) -> None:
        self._session = None
        self._gone.set()

    def _hear(self, raw: bytes) -> None:
        assert self.gate is not None
        now_ns = self.world.now_ns()
        heard = self.gate.hear(raw, now_ns)
        if heard.type in ("halt", "state"):
            self.world.watch.obeyed(self)
        for held in heard.halts:
            self._say(self._voice.acks(held, "applied", now_ns))

    # -- speaking

    async def _announce(self) -> None:
        while True:
            said = self._voice.hello([{}], sorted(KINDS), list(Level), self.world.now_ns(), cod=True)
            self._say((said,))
            await asyncio.sleep(HELLO_S)

    def _say(self, letters: tuple[Letter, ...]) -> None:
        kafka, mqtt = self.world.kafka, self.world.mqtt
        for letter in letters:
            if kafka.up and "kafka" not in self.cut:
                kafka.append(ACKS, 0, letter.road.kafka_key.encode(), letter.envelope)
            if mqtt.up and "mqtt" not in self.cut:
                mqtt.publish(letter.road.mqtt_topic, letter.envelope, sender=self._session)

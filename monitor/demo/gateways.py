"""The fleet's own ends of both roads: orders go out as telemetry, halts come in, answers go back.

    telemetry -> Kafka          halts, states, leases <- Kafka and MQTT          answers -> both

Whatever comes first on either road is obeyed at once; the other road's copy changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from monitor.core.envelope import Opened, open_envelope
from monitor.core.keyring import Keyring
from monitor.core.roads import COMMANDS, LEASES, STATES
from monitor.gateway.voice import Letter
from monitor.scenarios.fleet import Fleet
from monitor.scenarios.rows import Event

TELEMETRY: Final = "trading.telemetry.v1"
REFERENCE: Final = "trading.reference.v1"
HEARD_TOPICS: Final = (COMMANDS, STATES, LEASES)
REQUEST_MS: Final = 5_000
FETCH_WAIT_MS: Final = 100
MQTT_S_MAX: Final = 10.0
CLOSE_S_MAX: Final = 5.0
AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Brokers:
    """Where both roads begin."""

    kafka: str  # host:port, joined by commas
    mqtt_host: str
    mqtt_port: int


@dataclass(slots=True)
class HeardHalt:
    """A halt as it came in: its whole payload, and after how long on which road."""

    payload: dict[str, Any]
    after_ms: dict[str, float] = field(default_factory=dict)


class Gateways:
    """Eight gateways on one connection to each broker."""

    def __init__(
        self, fleet: Fleet, keyring: Keyring, site: str, brokers: Brokers, now_ns: Callable[[], int]
    ) -> None:
        self.fleet = fleet
        self.halts: dict[str, HeardHalt] = {}
        self.roads_heard: set[str] = set()  # on which a monitor has said something
        self._keyring, self._site, self._brokers, self._now_ns = keyring, site, brokers, now_ns
        self._letters: asyncio.Queue[Letter] = asyncio.Queue()  # for MQTT, which waits for each answer
        self._producer = AIOKafkaProducer(
            bootstrap_servers=brokers.kafka,
            acks="all",
            enable_idempotence=False,
            request_timeout_ms=REQUEST_MS,
        )
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers.kafka,
            group_id=None,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=REQUEST_MS,
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Both roads open, and everybody has said hello."""
        mqtt = aiomqtt.Client(self._brokers.mqtt_host, self._brokers.mqtt_port, timeout=MQTT_S_MAX)
        try:
            await self._producer.start()
            await self._consumer.start()
            parts = [TopicPartition(topic, 0) for topic in HEARD_TOPICS]
            self._consumer.assign(parts)
            async with mqtt:
                for what in ("halt/+", "resume/+", "state/#", "lease/+"):
                    await mqtt.subscribe(f"risk/v1/{self._site}/{what}", qos=1)
                async with asyncio.TaskGroup() as tasks:
                    works = (self._hear_kafka(), self._hear_mqtt(mqtt), self._write_mqtt(mqtt))
                    running = [tasks.create_task(work) for work in works]
                    try:
                        await self.say(self.fleet.hello(self._now_ns()))
                        yield
                    finally:
                        await ended(running)
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        finally:
            for client in (self._consumer, self._producer):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S_MAX):
                        await client.stop()

    async def send(self, events: Iterable[Event]) -> None:
        """Let events go to the telemetry topics, each parent's to one partition, in their order."""
        for event in events:
            topic = REFERENCE if event.reference else TELEMETRY
            await self._producer.send(topic, event.value, key=event.key.encode())

    async def flush(self) -> None:
        await self._producer.flush()

    async def say(self, letters: Iterable[Letter]) -> None:
        """Answer on both roads."""
        for letter in letters:
            self._letters.put_nowait(letter)
            road = letter.road
            await self._producer.send(road.kafka_topic, letter.envelope, key=road.kafka_key.encode())

    async def _hear_kafka(self) -> None:
        async for record in self._consumer:
            if record.value:
                await self._hear(record.value, "kafka", is_command=record.topic == COMMANDS)

    async def _hear_mqtt(self, mqtt: aiomqtt.Client) -> None:
        async for message in mqtt.messages:
            if isinstance(message.payload, bytes) and message.payload:
                is_command = "/halt/" in str(message.topic)
                await self._hear(message.payload, "mqtt", is_command=is_command)

    async def _write_mqtt(self, mqtt: aiomqtt.Client) -> None:
        while True:
            letter = await self._letters.get()
            await mqtt.publish(letter.road.mqtt_topic, letter.envelope, qos=1)

    async def _hear(self, raw: bytes, road: str, *, is_command: bool) -> None:
        now_ns = self._now_ns()
        self.roads_heard.add(road)
        letters = self.fleet.hear(raw, now_ns)
        if is_command:
            self._note(raw, road, now_ns)
        await self.say(letters)

    def _note(self, raw: bytes, road: str, now_ns: int) -> None:
        opened = open_envelope(raw, self._keyring)
        if not isinstance(opened, Opened):
            return
        payload = json.loads(opened.payload)
        if payload["type"] == "halt":
            heard = self.halts.setdefault(payload["halt_id"], HeardHalt(payload))
            heard.after_ms.setdefault(road, round((now_ns - payload["issued_at"]) / 1e6, 1))


async def ended(tasks: Collection[asyncio.Task[Any]], within_s: float = CLOSE_S_MAX) -> None:
    """Cancel tasks until they have ended.

    Once is not always enough: `asyncio.wait_for` of Python 3.11, which aiomqtt waits with, swallows a
    cancellation that comes in the same turn as what it waits for.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while waiting := [task for task in tasks if not task.done()]:
                for task in waiting:
                    task.cancel()
                await asyncio.wait(waiting, timeout=AGAIN_S)

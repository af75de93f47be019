"""A simulated MQTT broker, and what the monitor asks of aiomqtt and paho.

It keeps retained messages until it is restarted, speaks a Last Will for whoever goes without a
word, may refuse a topic, and may lose an acknowledgement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import Context
from random import Random
from types import SimpleNamespace
from typing import Any, Final, Self

import aiomqtt as real

from tests.world.loop import PROCESS

NO_SUBSCRIBER: Final = 0x10
NOT_AUTHORISED: Final = 0x87
WILL_AFTER_S: Final = 7.5  # one and a half keepalives without a word


class Session:
    """One connection, as the broker sees it."""

    def __init__(self, hear: Callable[[str, bytes, bool], None], lost: Callable[[], None]) -> None:
        self.hear, self.lost = hear, lost
        self.filters: list[str] = []
        self.will: tuple[str, bytes] | None = None

    def wants(self, topic: str) -> bool:
        return any(matches(wanted, topic) for wanted in self.filters)


class Broker:
    """`on_publish` sees each message that is taken."""

    def __init__(self, loop: Any, chance: Random) -> None:
        self.loop, self.chance = loop, chance
        self.up = True
        self.ack_loss = 0.0
        self.denied: tuple[str, ...] = ()  # filters that nobody may publish to
        self.retained: dict[str, bytes] = {}
        self.sessions: list[Session] = []
        self.on_publish: list[Callable[[str, bytes], None]] = []

    def delay_s(self) -> float:
        quick = self.chance.uniform(0.0005, 0.01)
        return quick if self.chance.random() < 0.98 else self.chance.uniform(0.01, 0.3)

    def crash(self) -> None:
        """Everything that it knew is gone with it; nobody's will is spoken."""
        self.up = False
        self.retained.clear()
        sessions, self.sessions = self.sessions, []
        for session in sessions:
            session.lost()

    def leave(self, session: Session, *, farewell: bool) -> None:
        if session in self.sessions:
            self.sessions.remove(session)
            if session.will is not None and not farewell:
                self.publish(*session.will, sender=session)

    def subscribe(self, session: Session, filters: Iterable[str]) -> None:
        for wanted in filters:
            if wanted not in session.filters:
                session.filters.append(wanted)
            for topic, payload in self.retained.items():
                if matches(wanted, topic):
                    self._deliver(session, topic, payload, retained=True)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, sender: Session | None = None
    ) -> int:
        """Take a message; returns the reason code of its PUBACK."""
        if any(matches(denied, topic) for denied in self.denied):
            return NOT_AUTHORISED
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        for told in self.on_publish:
            told(topic, payload)
        hearers = [session for session in self.sessions if session is not sender and session.wants(topic)]
        for session in hearers:
            self._deliver(session, topic, payload, retained=False)
        return 0 if hearers else NO_SUBSCRIBER

    def _deliver(self, session: Session, topic: str, payload: bytes, *, retained: bool) -> None:
        def arrive() -> None:
            if session in self.sessions:
                session.hear(topic, payload, retained)

        self.loop.call_later(self.delay_s(), arrive, context=Context())


def matches(wanted: str, topic: str) -> bool:
    """MQTT's `+` and `#`."""
    want, have = wanted.split("/"), topic.split("/")
    for place, level in enumerate(want):
        if level == "#":
            return True
        if place >= len(have) or level not in ("+", have[place]):
            return False
    return len(want) == len(have)


class Paho:
    """The client below the client."""

    connect_timeout = 0.0
    on_publish: Callable[..., None]
    on_socket_open: Any = None
    on_socket_register_write: Any = None

    def __init__(self, client: Client) -> None:
        self._client = client
        self._packets = 0

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> Any:  # as paho has it
        self._packets += 1
        packet, client = self._packets, self._client
        if client.session is None:
            return SimpleNamespace(rc=4, mid=packet)
        client.broker.loop.call_later(
            client.broker.delay_s(), self._reach, topic, payload, retain, packet, client.session,
            context=Context(),
        )  # fmt: skip
        return SimpleNamespace(rc=0, mid=packet)

    def _reach(self, topic: str, payload: bytes, retain: bool, packet: int, session: Session) -> None:
        broker = self._client.broker
        if session not in broker.sessions:
            return
        code = broker.publish(topic, payload, retain=retain, sender=session)
        if broker.chance.random() >= broker.ack_loss:
            broker.loop.call_later(
                broker.delay_s(), self._acknowledge, packet, code, session, context=self._client.context
            )

    def _acknowledge(self, packet: int, code: int, session: Session) -> None:
        if self._client.session is session:
            reason = SimpleNamespace(value=code)
            self.on_publish(self, None, packet, reason, None)

    def _sock_close(self) -> None:
        self._client.hang_up(farewell=False)


class Client:
    """What `monitor.edge.mqtt_out` asks of `aiomqtt.Client`."""

    broker: Broker

    def __init__(self, *_: Any, will: Any = None, **__: Any) -> None:
        self._client = Paho(self)
        self._will = will
        self.session: Session | None = None
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self.process = PROCESS.get()
        self.context = Context()
        self.context.run(PROCESS.set, self.process)

    async def __aenter__(self) -> Self:
        await asyncio.sleep(self.broker.delay_s())
        if not self.broker.up or (self.process is not None and not self.process.alive):
            raise real.MqttError("[Errno 111] Connection refused")
        self.session = Session(self._hear, self._lost)
        if self._will is not None:
            self.session.will = (self._will.topic, self._will.payload)
        self.broker.sessions.append(self.session)
        if self.process is not None:
            self.process.holds(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up(farewell=self.process is None or self.process.alive)

    def hang_up(self, *, farewell: bool) -> None:
        session, self.session = self.session, None
        if session is not None:
            self.broker.leave(session, farewell=farewell)

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        self._heard.put_nowait(
            SimpleNamespace(topic=SimpleNamespace(value=topic), payload=payload, retain=retained)
        )

    def _lost(self) -> None:
        self.session = None
        self._heard.put_nowait(None)

    async def subscribe(self, filters: list[tuple[str, Any]]) -> list[int]:
        await asyncio.sleep(self.broker.delay_s())
        if self.session is None:
            raise real.MqttError("disconnected")
        self.broker.subscribe(self.session, [wanted for wanted, _ in filters])
        return [1] * len(filters)

    async def unsubscribe(self, wanted: str) -> None:
        if self.session is not None and wanted in self.session.filters:
            self.session.filters.remove(wanted)

    @property
    def messages(self) -> AsyncIterator[Any]:
        return self._listen()

    async def _listen(self) -> AsyncIterator[Any]:
        while True:
            said = await self._heard.get()
            if said is None:
                raise real.MqttError("disconnected")
            yield said


class aiomqtt:  # noqa: N801  # stands where the module stands
    """The library's names, with our client."""

    Client = Client
    Will = real.Will
    MqttError = real.MqttError
    ProtocolVersion = real.ProtocolVersion

"""Halts go out on MQTT and gateways are heard: QoS 1, one connection, made again for ever.

A publish waits for its own PUBACK and reads the reason in it, which aiomqtt does not tell:
"not authorised" and "no matching subscribers" look like success there.  Of each topic only
the latest message is kept and tried again each 250 ms; a connection whose PUBACKs stop is
dropped after two seconds, long before TCP notices.  The Last Will is signed at each connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.subscribeoptions import SubscribeOptions

from monitor.core.inputs import LinkChanged

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

CONNECT_S_MAX: Final = 3.0
ANSWER_S_MAX: Final = 2.0  # a PUBACK that is later: the connection is half-open
KEEPALIVE_S: Final = 5  # the broker publishes the Last Will after one and a half of these
RETRY_S: Final = 0.25
REFUSED_RETRY_S: Final = 5.0  # an access list does not change by asking four times a second
BACKOFF_S: Final = (0.1, 0.25, 0.5)  # a broker that is back gets what waited for it within a second
OUTBOX_TOPICS_MAX: Final = 10_000  # halts of 3 KB: 30 MB
HEARD_MAX: Final = 10_000  # acknowledgements of some 1 KB that nobody has read yet: 10 MB
SOCKET_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3_000),
)

NO_SUBSCRIBER: Final = 0x10
REFUSED_FROM: Final = 0x80
UNACCEPTABLE_VERSION: Final = 0x01  # the same in MQTT 3.1.1
UNSUPPORTED_VERSION: Final = 0x84


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message.  `ok`: the broker took it and somebody listens."""

    ok: bool
    latency_s: float
    detail: str = ""
    superseded: bool = False  # no failure: a newer message of the same topic goes in its place


@dataclass(frozen=True, slots=True)
class Message:
    """Something said on a topic; `retained` ones are what the broker kept, not news."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it is and how to log in."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    addresses_of: Callable[[str, int], Awaitable[list[tuple[Any, ...]]]] | None = (
        None  # None: paho asks itself
    )


@dataclass(slots=True, eq=False)
class Letter:
    message: Message
    since_s: float
    outcome: asyncio.Future[Outcome]
    sent_s: float = 0.0  # 0: not on this connection
    try_at_s: float = 0.0
    error: str = "not connected"
    waited_for: bool = True


class MqttOut:
    """`publish()` or `post()` from anywhere, `read()` for what is heard, `run()` beside them.

    `will` makes the Last Will's message at each connect, `present` what is to be said at once
    after one: the state, which the broker may have lost.  `on_unheard` is called for each message
    that came while as many as there is room for waited to be read.
    """

    def __init__(
        self,
        broker: Broker,
        subscribe: Sequence[str],
        *,
        now_ns: Callable[[], int],
        on_link: Callable[[LinkChanged], None],
        on_delivered: Callable[[str, Outcome], None],
        will: Callable[[], Message] | None = None,
        present: Callable[[], Iterable[Message]] = tuple,
        link: str = "mqtt",
        on_unheard: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._subscribe = tuple(subscribe)
        self._now_ns = now_ns
        self._on_link = on_link
        self._on_delivered = on_delivered
        self._will = will
        self._present = present
        self._link = link
        self._on_unheard = on_unheard
        self._up: dict[str, bool] = {}
        self._version = aiomqtt.ProtocolVersion.V5
        self._spoken = False  # with this version: then it is not the version that fails
        self._client: aiomqtt.Client | None = None
        self._outbox: dict[str, Letter] = {}
        self._flights: dict[int, Letter] = {}  # packet id -> what it carries, on this connection
        self._heard: asyncio.Queue[Message] = asyncio.Queue(HEARD_MAX)
        self._probe: tuple[Message, asyncio.Future[None]] | None = None

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._outbox)

    # -- speaking

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, deadline_s: float = 1.0
    ) -> Outcome:
        """Deliver, or go on trying after `deadline_s`; a newer message on the topic takes its place."""
        return await self.outcome(self.post(topic, payload, retain=retain), deadline_s)

    def post(self, topic: str, payload: bytes, *, retain: bool = False) -> Letter:
        """Hand it to the socket at once, if there is one; `outcome` says what came of it."""
        letter = Letter(
            Message(topic, payload, retain), time.monotonic(), asyncio.get_running_loop().create_future()
        )
        self._put(letter)
        return letter

    async def outcome(self, letter: Letter, deadline_s: float) -> Outcome:
        """What came of it, or that nothing did within the deadline; the trying goes on."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(letter.outcome), deadline_s)
        letter.waited_for = False
        return Outcome(ok=False, latency_s=_age_s(letter), detail=f"not yet: {letter.error}")

    def _put(self, letter: Letter) -> None:
        topic = letter.message.topic
        older = self._outbox.pop(topic, None)
        if older is not None:
            _settle(older, Outcome(ok=False, latency_s=_age_s(older), superseded=True))
        elif len(self._outbox) >= OUTBOX_TOPICS_MAX:
            detail = f"{OUTBOX_TOPICS_MAX} topics are waiting already"
            _settle(letter, Outcome(ok=False, latency_s=0.0, detail=detail))
            return
        self._send(letter)  # raises for what is no topic, before it is kept
        self._outbox[topic] = letter

    def _send(self, letter: Letter) -> None:
        """Hand it to the socket; the answer comes to `_answered`."""
        client = self._client
        if client is None or letter.sent_s:
            return
        message = letter.message
        sent = client._client.publish(message.topic, message.payload, qos=1, retain=message.retained)
        if sent.rc:
            letter.error = f"not sent: {sent.rc}"
            return
        letter.sent_s = time.monotonic()
        letter.error = "no answer from the broker"
        self._flights[sent.mid] = letter

    def _answered(self, client: aiomqtt.Client, packet: int, code: int, words: str) -> None:
        letter = self._flights.pop(packet, None) if client is self._client else None
        if letter is None:
            return
        letter.sent_s = 0.0
        current = self._outbox.get(letter.message.topic) is letter
        if code >= REFUSED_FROM:
            letter.error = words.lower()
            letter.try_at_s = time.monotonic() + REFUSED_RETRY_S
            # Said at once: nobody should wait for a deadline to learn of a missing permission.
            _settle(letter, Outcome(ok=False, latency_s=_age_s(letter), detail=letter.error))
            return
        if current:
            del self._outbox[letter.message.topic]
        heard = code != NO_SUBSCRIBER or letter.message.retained
        outcome = Outcome(ok=heard, latency_s=_age_s(letter), detail="" if heard else "no subscriber")
        if not letter.waited_for or letter.outcome.done():
            self._on_delivered(letter.message.topic, outcome)
        _settle(letter, outcome)

    # -- listening

    async def read(self) -> AsyncIterator[Message]:
        """What the subscribed topics say."""
        while True:
            yield await self._heard.get()

    def _hear(self, message: Message) -> None:
        if self._probe is not None and self._probe[0].topic == message.topic:
            expected, seen = self._probe
            if message.payload == expected.payload and not seen.done():
                seen.set_result(None)
            return
        try:
            self._heard.put_nowait(message)
        except asyncio.QueueFull:
            self._on_unheard()

    # -- the connection

    async def run(self) -> None:
        """Connect, and again, for ever."""
        failures = 0
        while True:
            client = self._made()
            try:
                await self._enter(client)
                failures = 0
                await self._keep(client)
            except (aiomqtt.MqttError, OSError, ValueError) as broken:
                await self._drop(client)
                self._say(
                    self._link, up=False, detail=f"{self._broker.host}:{self._broker.port}: {_words(broken)}"
                )
                if not self._spoken and _not_understood(broken):
                    v5, v311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311
                    self._version = v311 if self._version is v5 else v5
            except asyncio.CancelledError:
                self._client = None
                with contextlib.suppress(Exception):  # a farewell, so that the Last Will is not spoken
                    await client.__aexit__(None, None, None)
                await self._drop(client)
                raise
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    async def _enter(self, client: aiomqtt.Client) -> None:
        """Connect in aiomqtt's thread; while a resolver or a handshake holds that, no second one is begun."""
        if self._broker.addresses_of is not None:
            found = await self._broker.addresses_of(self._broker.host, self._broker.port)
            paho: Any = client._client
            paho._create_socket_connection = lambda: _connected(found)
        entering = asyncio.ensure_future(client.__aenter__())
        try:
            done, _ = await asyncio.wait({entering}, timeout=CONNECT_S_MAX)
            if not done:
                detail = f"{self._broker.host}:{self._broker.port}: no connection in {CONNECT_S_MAX} s"
                self._say(self._link, up=False, detail=detail)
            await entering
        except asyncio.CancelledError:
            entering.cancel()
            raise

    async def _drop(self, client: aiomqtt.Client) -> None:
        """Leave nothing of a connection in the loop's hands, nor in those of its thread."""
        self._client = None
        self._flights.clear()
        for letter in self._outbox.values():
            letter.sent_s = 0.0
        paho = client._client
        paho.on_socket_open = lambda *_: paho._sock_close()
        # aiomqtt asks the loop to watch the socket by a callback, which by then may be another's number.
        await asyncio.sleep(0)
        paho.on_socket_register_write = None
        with contextlib.suppress(Exception):
            paho._sock_close()

    def _made(self) -> aiomqtt.Client:
        broker = self._broker
        will = self._will() if self._will is not None else None
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username,
            password=broker.password,
            tls_context=broker.tls,
            protocol=self._version,
            clean_session=None if self._version is aiomqtt.ProtocolVersion.V5 else True,
            timeout=ANSWER_S_MAX,
            keepalive=KEEPALIVE_S,
            will=None
            if will is None
            else aiomqtt.Will(will.topic, will.payload, qos=1, retain=will.retained),
            max_queued_incoming_messages=HEARD_MAX,
            max_inflight_messages=1_000,
            socket_options=SOCKET_OPTIONS,
        )
        paho = client._client
        paho.connect_timeout = ANSWER_S_MAX

        def on_publish(_paho: Any, _data: Any, packet: int, reason: Any, _properties: Any) -> None:
            self._answered(client, packet, reason.value, str(reason))

        paho.on_publish = on_publish
        return client

    async def _keep(self, client: aiomqtt.Client) -> None:
        """Speak, subscribe and listen, until the connection ends or goes deaf."""
        self._spoken = True
        self._client = client
        self._say(self._link, up=True)
        for message in self._present():
            if message.topic not in self._outbox:
                self._put(_unawaited(message))
        self._send_all()  # before any subscription: a halt waits for nothing
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tend())
                tasks.create_task(self._listen(client))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            late_s = time.monotonic() - ANSWER_S_MAX
            if any(letter.sent_s < late_s for letter in self._flights.values()):
                raise aiomqtt.MqttError(f"a publish was not answered for {ANSWER_S_MAX} s")
            self._send_all()

    def _send_all(self) -> None:
        now_s = time.monotonic()
        for letter in list(self._outbox.values()):
            if letter.try_at_s <= now_s:
                self._send(letter)

    async def _listen(self, client: aiomqtt.Client) -> None:
        if self._subscribe:
            codes = await client.subscribe([(topic, self._how(own=False)) for topic in self._subscribe])
            refused = [
                f"{topic}: {code}" for topic, code in zip(self._subscribe, codes, strict=True) if _no(code)
            ]
            self._say(f"{self._link}_in", up=not refused, detail=", ".join(refused))
        async for said in client.messages:
            assert isinstance(said.payload, bytes)
            self._hear(Message(said.topic.value, said.payload, said.retain))

    def _how(self, *, own: bool) -> Any:
        """`own`: our own messages too, which are no news but for the self-test."""
        if self._version is aiomqtt.ProtocolVersion.V5:
            return SubscribeOptions(qos=1, noLocal=not own)
        return 1

    def _say(self, link: str, *, up: bool, detail: str = "") -> None:
        if self._up.get(link) is not up:
            self._up[link] = up
            self._on_link(LinkChanged(link, up, self._now_ns(), detail))

    # -- the self-test

    async def self_test(self, topic: str, payload: bytes, deadline_s: float = 3.0) -> Outcome:
        """Publish a probe and read it back: the one proof that an access list lets us speak on that topic."""
        began_s = time.monotonic()
        client = self._client
        if client is None:
            return Outcome(ok=False, latency_s=0.0, detail="not connected")
        seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        probe = Message(topic, payload)
        self._probe = (probe, seen)
        try:
            async with asyncio.timeout(deadline_s):
                (code,) = await client.subscribe([(topic, self._how(own=True))])
                if _no(code):
                    detail = f"not allowed to read {topic}"
                    return Outcome(ok=False, latency_s=time.monotonic() - began_s, detail=detail)
                said = await self.publish(topic, payload, deadline_s=deadline_s)
                if not said.ok:
                    return said
                await seen
        except TimeoutError:
            return Outcome(ok=False, latency_s=time.monotonic() - began_s, detail="taken, but not read back")
        except aiomqtt.MqttError as broken:
            return Outcome(ok=False, latency_s=time.monotonic() - began_s, detail=_words(broken))
        finally:
            self._probe = None
            waiting = self._outbox.get(topic)
            if waiting is not None and waiting.message == probe:
                del self._outbox[topic]
            with contextlib.suppress(aiomqtt.MqttError):
                await client.unsubscribe(topic)
        return Outcome(ok=True, latency_s=time.monotonic() - began_s)


def _unawaited(message: Message) -> Letter:
    letter = Letter(message, time.monotonic(), asyncio.get_running_loop().create_future())
    letter.waited_for = False
    return letter


def _connected(found: list[tuple[Any, ...]]) -> socket.socket:
    """In paho's thread: a connection to the first address that takes one; no name is asked for there."""
    refused: OSError | None = None
    for *_, address in found:
        try:
            return socket.create_connection(address[:2], ANSWER_S_MAX)
        except OSError as broken:
            refused = refused or broken
    raise refused or OSError("it has no address")


def _age_s(letter: Letter) -> float:
    return time.monotonic() - letter.since_s


def _settle(letter: Letter, outcome: Outcome) -> None:
    if not letter.outcome.done():
        letter.outcome.set_result(outcome)


def _words(broken: BaseException) -> str:
    return str(broken) or type(broken).__name__


def _no(code: Any) -> bool:
    return (code if isinstance(code, int) else int(code.value)) >= REFUSED_FROM


def _not_understood(broken: BaseException) -> bool:
    """An old broker says that it does not know MQTT 5, or hangs up without a word."""
    if isinstance(broken, MqttConnectError):
        code = getattr(broken.rc, "value", broken.rc)
        return code in (UNACCEPTABLE_VERSION, UNSUPPORTED_VERSION)
    return str(broken) == "Operation timed out"  # connected, and then no CONNACK

"""The halt producer: of each key only the latest message, until it is delivered.

It is tried at once and again each 250 ms, through a client that is built anew when it
delivers nothing.  What may not wait is on the socket when `post` returns, where the leader
is connected (`express`); what fails there goes the client's usual way.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from monitor.core.inputs import LinkChanged
from monitor.edge.kafka_out.client import CONNECT_S_MAX, REQUEST_MS, Outcome, close, producer_of
from monitor.edge.kafka_out.express import Answer, Express

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiokafka import AIOKafkaProducer

RETRY_S: Final = 0.25
DOWN_S: Final = 1.0  # one topic's trouble beside others' deliveries is not a road that is down
STUCK_S: Final = REQUEST_MS / 1000 + 1  # something waits and nothing was delivered: another client
# A halt's envelope is some 3 KB, a part of a state 256 KiB; there are at most as many keys as open halts and
# parts of states.  10,000 halts are 30 MB.
OUTBOX_KEYS_MAX: Final = 10_000


@dataclass(slots=True, eq=False)
class Letter:
    topic: str
    key: str
    value: bytes | None
    since_s: float
    outcome: asyncio.Future[Outcome]
    flight: asyncio.Future[Any] | None = None  # the client's promise
    sending: bool = False
    by_express: bool = True  # until something of its key went the usual way: behind that it must not overtake
    error: str = "no client"
    waited_for: bool = True


class KafkaOut:
    """The halt producer: `publish()` or `post()` from anywhere, `run()` beside it.

    What is for the topics `at_once` waits for no turn of the loop and for no other message.
    `on_delivered` hears of a message that was delivered after its `publish` gave up waiting.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        *,
        now_ns: Callable[[], int],
        on_link: Callable[[LinkChanged], None],
        on_delivered: Callable[[str, str, Outcome], None],
        link: str = "kafka_out",
        at_once: Iterable[str] = (),
    ) -> None:
        self._client = dict(client)
        self._now_ns = now_ns
        self._on_link = on_link
        self._on_delivered = on_delivered
        self._link = link
        self._at_once = tuple(at_once)
        self._express: Express | None = None
        self._up: bool | None = None
        self._outbox: dict[tuple[str, str], Letter] = {}
        self._producer: AIOKafkaProducer | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._delivered_s = 0.0  # when something was delivered, or a client was built

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._outbox)

    async def publish(self, topic: str, key: str, value: bytes | None, deadline_s: float = 1.0) -> Outcome:
        """Deliver, or go on trying after `deadline_s`; a newer message of the key takes its place."""
        return await self.outcome(self.post(topic, key, value), deadline_s)

    def post(self, topic: str, key: str, value: bytes | None) -> Letter:
        """Send it on its way, at once where that is possible; `outcome` says what came of it."""
        letter = Letter(topic, key, value, time.monotonic(), asyncio.get_running_loop().create_future())
        older = self._outbox.pop((topic, key), None)
        if older is not None:
            letter.by_express = older.by_express
            _settle(older, Outcome(ok=False, latency_s=_age_s(older), superseded=True))
        elif len(self._outbox) >= OUTBOX_KEYS_MAX:
            detail = f"{OUTBOX_KEYS_MAX} keys are waiting already"
            _settle(letter, Outcome(ok=False, latency_s=0.0, detail=detail))
            return letter
        self._outbox[(topic, key)] = letter
        self._start(letter)
        return letter

    async def outcome(self, letter: Letter, deadline_s: float) -> Outcome:
        """What came of it, or that nothing did within the deadline; the trying goes on."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(letter.outcome), deadline_s)
        letter.waited_for = False
        return Outcome(ok=False, latency_s=_age_s(letter), detail=f"not yet: {letter.error}")

    async def run(self) -> None:
        """Build clients and try again, for ever."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                building: asyncio.Task[None] | None = None
                opening: asyncio.Task[None] | None = None
                while True:
                    now_s = time.monotonic()
                    waits = any(_age_s(letter) >= STUCK_S for letter in self._outbox.values())
                    lacking = self._producer is None or (waits and now_s - self._delivered_s >= STUCK_S)
                    if lacking and (building is None or building.done()):
                        building = tasks.create_task(self._build(tasks))
                    express = self._express
                    if express is not None and not express.is_open and (opening is None or opening.done()):
                        opening = tasks.create_task(self._open(express))
                    for letter in list(self._outbox.values()):
                        self._start(letter)
                    await asyncio.sleep(RETRY_S)
        finally:
            self._tasks = None
            if self._producer is not None:
                await close(self._producer)

    async def _build(self, tasks: asyncio.TaskGroup) -> None:
        """Another client in the place of one that delivers nothing; that one stays until there is another."""
        self._delivered_s = time.monotonic()
        producer = producer_of(self._client)
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as broken:
            self._say(up=False, detail=f"{self._client.get('bootstrap_servers')}: {broken!r}")
            for letter in self._outbox.values():
                letter.error = repr(broken)
            tasks.create_task(close(producer))
            return
        except asyncio.CancelledError:
            await close(producer)
            raise
        old, self._producer = self._producer, producer
        self._express = Express(producer, self._at_once)
        self._say(up=True)
        for letter in self._outbox.values():
            letter.flight = None
        if old is not None:
            tasks.create_task(close(old))

    async def _open(self, express: Express) -> None:
        """Nothing depends on it: until it is open, all goes the usual way."""
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_S_MAX):
                await express.open()

    def _start(self, letter: Letter) -> None:
        if self._tasks is None or self._producer is None or letter.sending or letter.flight is not None:
            return
        answer = None
        if letter.by_express and self._express is not None:
            answer = self._express.post(letter.topic, letter.key.encode(), letter.value)
        if answer is not None:
            flight = asyncio.get_running_loop().create_future()
            self._fly(letter, flight)
            hearing = self._tasks.create_task(self._hear(flight, answer))
            hearing.add_done_callback(lambda _: answer.close())
        else:
            letter.by_express, letter.sending = False, True
            self._tasks.create_task(self._send(self._producer, letter))

    async def _hear(self, flight: asyncio.Future[Any], answer: Answer) -> None:
        try:
            await answer.heard()
        except (KafkaError, OSError) as broken:
            flight.set_exception(broken)
        else:
            flight.set_result(None)

    def _fly(self, letter: Letter, flight: asyncio.Future[Any]) -> None:
        letter.flight = flight
        flight.add_done_callback(lambda flight: self._landed(letter, flight))

    async def _send(self, producer: AIOKafkaProducer, letter: Letter) -> None:
        try:
            async with asyncio.timeout(REQUEST_MS / 1000):
                flight = await producer.send(letter.topic, value=letter.value, key=letter.key.encode())
        except (KafkaError, OSError, TimeoutError) as broken:
            self._failed(letter, broken)
        else:
            self._fly(letter, flight)
        finally:
            letter.sending = False

    def _landed(self, letter: Letter, flight: asyncio.Future[Any]) -> None:
        broken = asyncio.CancelledError() if flight.cancelled() else flight.exception()
        if broken is not None:
            if letter.flight is flight:
                letter.flight, letter.by_express = None, False
                self._failed(letter, broken)
            return
        self._delivered_s = time.monotonic()
        self._say(up=True)
        if self._outbox.get((letter.topic, letter.key)) is letter:
            del self._outbox[(letter.topic, letter.key)]
        outcome = Outcome(ok=True, latency_s=_age_s(letter))
        if not letter.outcome.done():
            _settle(letter, outcome)
            if not letter.waited_for:
                self._on_delivered(letter.topic, letter.key, outcome)

    def _failed(self, letter: Letter, broken: BaseException) -> None:
        letter.error = repr(broken)
        if isinstance(broken, MessageSizeTooLargeError):
            # No broker will ever take it: to try again for ever would hide that.
            if self._outbox.get((letter.topic, letter.key)) is letter:
                del self._outbox[(letter.topic, letter.key)]
            _settle(letter, Outcome(ok=False, latency_s=_age_s(letter), detail=letter.error))
        elif time.monotonic() - self._delivered_s >= DOWN_S:
            self._say(up=False, detail=letter.error)

    def _say(self, *, up: bool, detail: str = "") -> None:
        if self._up is not up:
            self._up = up
            self._on_link(LinkChanged(self._link, up, self._now_ns(), detail))


def _age_s(letter: Letter) -> float:
    return time.monotonic() - letter.since_s


def _settle(letter: Letter, outcome: Outcome) -> None:
    if not letter.outcome.done():
        letter.outcome.set_result(outcome)

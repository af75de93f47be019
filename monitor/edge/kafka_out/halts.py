"""The halt producer: of each key only the latest message, until it is delivered.

It is tried at once and again each 250 ms, through a client that is built anew when it
delivers nothing.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka import AIOKafkaProducer

RETRY_S: Final = 0.25
DOWN_S: Final = 1.0  # one topic's trouble beside others' deliveries is not a road that is down
STUCK_S: Final = REQUEST_MS / 1000 + 1  # something waits and nothing was delivered: another client
# A halt's envelope is some 3 KB, a part of a state 256 KiB; there are at most as many keys as open halts and
# parts of states.  10,000 halts are 30 MB.
OUTBOX_KEYS_MAX: Final = 10_000


@dataclass(slots=True, eq=False)
class _Letter:
    topic: str
    key: str
    value: bytes | None
    since_s: float
    outcome: asyncio.Future[Outcome]
    flight: asyncio.Future[Any] | None = None  # the client's promise
    sending: bool = False
    error: str = "no client"
    waited_for: bool = True


class KafkaOut:
    """The halt producer: `publish()` from anywhere, `run()` beside it.

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
    ) -> None:
        self._client = dict(client)
        self._now_ns = now_ns
        self._on_link = on_link
        self._on_delivered = on_delivered
        self._link = link
        self._up: bool | None = None
        self._outbox: dict[tuple[str, str], _Letter] = {}
        self._producer: AIOKafkaProducer | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._delivered_s = 0.0  # when something was delivered, or a client was built

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._outbox)

    async def publish(self, topic: str, key: str, value: bytes | None, deadline_s: float = 1.0) -> Outcome:
        """Deliver, or go on trying after `deadline_s`; a newer message of the key takes its place."""
        letter = _Letter(topic, key, value, time.monotonic(), asyncio.get_running_loop().create_future())
        older = self._outbox.pop((topic, key), None)
        if older is not None:
            _settle(older, Outcome(ok=False, latency_s=_age_s(older), superseded=True))
        elif len(self._outbox) >= OUTBOX_KEYS_MAX:
            return Outcome(ok=False, latency_s=0.0, detail=f"{OUTBOX_KEYS_MAX} keys are waiting already")
        self._outbox[(topic, key)] = letter
        self._start(letter)
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
                while True:
                    now_s = time.monotonic()
                    waits = any(_age_s(letter) >= STUCK_S for letter in self._outbox.values())
                    lacking = self._producer is None or (waits and now_s - self._delivered_s >= STUCK_S)
                    if lacking and (building is None or building.done()):
                        building = tasks.create_task(self._build(tasks))
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
        self._say(up=True)
        for letter in self._outbox.values():
            letter.flight = None
        if old is not None:
            tasks.create_task(close(old))

    def _start(self, letter: _Letter) -> None:
        if (
            self._tasks is not None
            and self._producer is not None
            and not letter.sending
            and letter.flight is None
        ):
            letter.sending = True
            self._tasks.create_task(self._send(self._producer, letter))

    async def _send(self, producer: AIOKafkaProducer, letter: _Letter) -> None:
        try:
            async with asyncio.timeout(REQUEST_MS / 1000):
                flight = await producer.send(letter.topic, value=letter.value, key=letter.key.encode())
        except (KafkaError, OSError, TimeoutError) as broken:
            self._failed(letter, broken)
        else:
            letter.flight = flight
            flight.add_done_callback(lambda flight: self._landed(letter, flight))
        finally:
            letter.sending = False

    def _landed(self, letter: _Letter, flight: asyncio.Future[Any]) -> None:
        broken = asyncio.CancelledError() if flight.cancelled() else flight.exception()
        if broken is not None:
            if letter.flight is flight:
                letter.flight = None
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

    def _failed(self, letter: _Letter, broken: BaseException) -> None:
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


def _age_s(letter: _Letter) -> float:
    return time.monotonic() - letter.since_s


def _settle(letter: _Letter, outcome: Outcome) -> None:
    if not letter.outcome.done():
        letter.outcome.set_result(outcome)

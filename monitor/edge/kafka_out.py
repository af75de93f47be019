"""Halts go out on Kafka: each await has a deadline, each message stays until it is delivered.

`acks="all"` without idempotence: the idempotent producer hangs for 20 s when all brokers
are down, and our own ids make a second copy harmless.  Of each key only the latest message
is kept: it is tried at once and again each 250 ms, through a client that is built anew when
it delivers nothing.  Dead letters have a producer of their own and never stand before a halt.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError, for_code

from monitor.core.inputs import LinkChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REQUEST_MS: Final = 2_000
CONNECT_S_MAX: Final = 5.0
CLOSE_S_MAX: Final = 1.0
RETRY_S: Final = 0.25
DOWN_S: Final = 1.0  # one topic's trouble beside others' deliveries is not a road that is down
STUCK_S: Final = REQUEST_MS / 1000 + 1  # something waits and nothing was delivered: another client
# A halt's envelope is some 3 KB, a part of a state 256 KiB; there are at most as many keys as open halts and
# parts of states.  10,000 halts are 30 MB.
OUTBOX_KEYS_MAX: Final = 10_000

DEAD_LETTERS_MAX: Final = 10_000
DEAD_LETTER_BYTES_MAX: Final = 64 * 1024 * 1024  # of all that wait
DEAD_LETTER_KEPT_BYTES: Final = 900 * 1024  # what a broker takes by default is 1 MiB, headers and all
DEAD_LETTERS_AT_ONCE: Final = 500
DEAD_LETTER_S_MAX: Final = 10.0
REPLICAS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: `ok` means that the broker said so."""

    ok: bool
    latency_s: float
    detail: str = ""


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
            _settle(older, Outcome(ok=False, latency_s=_age_s(older), detail="a newer one took its place"))
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
                await _close(self._producer)

    async def _build(self, tasks: asyncio.TaskGroup) -> None:
        """Another client in the place of one that delivers nothing; that one stays until there is another."""
        self._delivered_s = time.monotonic()
        producer = _producer(self._client)
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as broken:
            self._say(up=False, detail=f"{self._client.get('bootstrap_servers')}: {broken!r}")
            for letter in self._outbox.values():
                letter.error = repr(broken)
            tasks.create_task(_close(producer))
            return
        except asyncio.CancelledError:
            await _close(producer)
            raise
        old, self._producer = self._producer, producer
        self._say(up=True)
        for letter in self._outbox.values():
            letter.flight = None
        if old is not None:
            tasks.create_task(_close(old))

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


@dataclass(frozen=True, slots=True)
class DeadLetterBytes:
    """A broken record as it was, with what was wrong in its headers."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class _Heap:
    letters: deque[DeadLetterBytes] = field(default_factory=deque)
    size_bytes: int = 0


class DeadLetters:
    """Broken records to their own topic, when there is time; `submit` never waits."""

    def __init__(
        self, client: Mapping[str, Any], topic: str, *, on_settled: Callable[[int, Outcome], None]
    ) -> None:
        self._client = dict(client)
        self._topic = topic
        self._on_settled = on_settled
        self._heap = _Heap()
        self._more = asyncio.Event()
        self.lost = 0  # too many were waiting, or no broker takes one so large

    @property
    def waiting(self) -> int:
        return len(self._heap.letters)

    def submit(self, letter: DeadLetterBytes) -> bool:
        """False if there is no room: the record stays where it is, in the topic that it came from."""
        heap = self._heap
        if (
            len(heap.letters) >= DEAD_LETTERS_MAX
            or heap.size_bytes + len(letter.value) > DEAD_LETTER_BYTES_MAX
        ):
            self.lost += 1
            return False
        heap.letters.append(letter)
        heap.size_bytes += len(letter.value)
        self._more.set()
        return True

    async def run(self) -> None:
        """Send what waits, through one client after another, for ever."""
        while True:
            await self._more.wait()
            producer = _producer(self._client, linger_ms=20)
            try:
                async with asyncio.timeout(CONNECT_S_MAX):
                    await producer.start()
                while True:
                    await self._more.wait()
                    await self._send(producer)
            except (KafkaError, OSError, TimeoutError) as broken:
                self._on_settled(0, Outcome(ok=False, latency_s=0.0, detail=repr(broken)))
            finally:
                await _close(producer)
            await asyncio.sleep(1.0)

    async def _send(self, producer: AIOKafkaProducer) -> None:
        heap, began_s = self._heap, time.monotonic()
        letters = [heap.letters[n] for n in range(min(len(heap.letters), DEAD_LETTERS_AT_ONCE))]
        async with asyncio.timeout(DEAD_LETTER_S_MAX):
            taken = await asyncio.gather(*(self._one(producer, letter) for letter in letters))
        for letter in letters:
            heap.letters.popleft()
            heap.size_bytes -= len(letter.value)
        self.lost += taken.count(False)
        if not heap.letters:
            self._more.clear()
        self._on_settled(taken.count(True), Outcome(ok=True, latency_s=time.monotonic() - began_s))

    async def _one(self, producer: AIOKafkaProducer, letter: DeadLetterBytes) -> bool:
        """False if no broker will ever take it."""
        value, headers = letter.value, list(letter.headers)
        if len(value) > DEAD_LETTER_KEPT_BYTES:
            headers.append(("cut_from_bytes", b"%d" % len(value)))
            value = value[:DEAD_LETTER_KEPT_BYTES]
        try:
            await (await producer.send(self._topic, value=value, headers=headers))
        except MessageSizeTooLargeError:
            return False
        return True


async def make_topics(
    client: Mapping[str, Any], compacted: Iterable[str], plain: Iterable[str], *, deadline_s: float = 10.0
) -> dict[str, str]:
    """Make what is missing; says of each topic "made", "there", or why not.

    A broker that cannot be asked makes them at first use, or somebody else must: no reason not to start.
    """
    # One replica in sync suffices: a halt that is written on the only broker left is worth more than none,
    # and `state` is written again every five seconds.
    plainly = {"min.insync.replicas": "1"}
    wanted = dict.fromkeys(plain, plainly) | dict.fromkeys(compacted, plainly | {"cleanup.policy": "compact"})
    said: dict[str, str] = {}
    admin = AIOKafkaAdminClient(**client, request_timeout_ms=REQUEST_MS)
    try:
        async with asyncio.timeout(deadline_s):
            await admin.start()
            replicas = min(REPLICAS_MAX, len((await admin.describe_cluster())["brokers"]))
            for topic, configs in wanted.items():
                said[topic] = await _make(admin, NewTopic(topic, 1, replicas, topic_configs=dict(configs)))
    except (KafkaError, OSError, TimeoutError) as broken:
        said |= {topic: repr(broken) for topic in wanted.keys() - said.keys()}
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S_MAX):
                await admin.close()
    return said


async def _make(admin: AIOKafkaAdminClient, topic: NewTopic) -> str:
    try:
        answer = await admin.create_topics([topic])
    except AttributeError:  # how the client says that the cluster named no controller
        return "no controller to ask"
    except (KafkaError, NotImplementedError) as broken:
        return repr(broken)
    for _topic, code, *words in answer.topic_errors:
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            return "there"
        if code:
            return f"{error.__name__}: {words[0] if words else ''}"
    return "made"


def _producer(client: Mapping[str, Any], **options: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **client,
        acks="all",
        enable_idempotence=False,
        request_timeout_ms=REQUEST_MS,
        metadata_max_age_ms=5_000,
        retry_backoff_ms=100,
        **options,
    )


def _age_s(letter: _Letter) -> float:
    return time.monotonic() - letter.since_s


def _settle(letter: _Letter, outcome: Outcome) -> None:
    if not letter.outcome.done():
        letter.outcome.set_result(outcome)


async def _close(producer: AIOKafkaProducer) -> None:
    """Within a deadline: `stop` flushes first, and a dead broker never takes what it flushes."""
    for step in (producer.stop, producer._sender.close, producer.client.close):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S_MAX):
                await step()

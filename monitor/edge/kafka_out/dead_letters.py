"""Broken records to their own topic, through a producer of their own."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from monitor.edge.kafka_out.client import CONNECT_S_MAX, Outcome, close, producer_of
from monitor.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka import AIOKafkaProducer

DEAD_LETTERS_MAX: Final = 10_000
DEAD_LETTER_BYTES_MAX: Final = 64 * 1024 * 1024  # of all that wait
DEAD_LETTER_KEPT_BYTES: Final = 900 * 1024  # what a broker takes by default is 1 MiB, headers and all
DEAD_LETTERS_AT_ONCE: Final = 500
DEAD_LETTER_S_MAX: Final = 10.0


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
            producer = producer_of(self._client, linger_ms=20)
            try:
                async with asyncio.timeout(CONNECT_S_MAX):
                    await producer.start()
                while True:
                    await self._more.wait()
                    await self._send(producer)
            except (KafkaError, OSError, TimeoutError) as broken:
                self._on_settled(0, Outcome(ok=False, latency_s=0.0, detail=repr(broken)))
            finally:
                await close(producer)
            await asyncio.sleep(1.0)

    async def _send(self, producer: AIOKafkaProducer) -> None:
        heap, began_s = self._heap, time.monotonic()
        letters = [heap.letters[n] for n in range(min(len(heap.letters), DEAD_LETTERS_AT_ONCE))]
        failpoint("dead_letter.before_sent")
        async with asyncio.timeout(DEAD_LETTER_S_MAX):
            taken = await asyncio.gather(*(self._one(producer, letter) for letter in letters))
        failpoint("dead_letter.sent")
        for letter in letters:
            heap.letters.popleft()
            heap.size_bytes -= len(letter.value)
        if not heap.letters:
            self._more.clear()
        lost = taken.count(False)
        if lost:
            self.lost += lost
            self._on_settled(lost, Outcome(ok=False, latency_s=0.0, detail="no broker takes one so large"))
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

"""The firm's own producers: each partition's events in their order, a little late, and sometimes twice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Final

from tests.world.flow import Told

if TYPE_CHECKING:
    from tests.world.world import World

MS: Final = 1_000_000
AGAIN_MAX: Final = 30  # of the last events one may be told again
JUNK: Final = (
    b"",
    b"{",
    b"null",
    b'{"kind":"fill"}',
    b"\xff\xfe",
    b'{"kind":"order_new","ts":-1}',
    b"[" * 50,
)


class Firm:
    """Everything that writes to the telemetry topics."""

    def __init__(self, world: World, events: Sequence[Told], chance: Random) -> None:
        self._world, self._chance = world, chance
        self.twice = self.broken = 0.0
        self.late_s: dict[int, float] = {}
        self.events = events
        self.sent = 0

    def tasks(self) -> list[asyncio.Task[None]]:
        places = sorted({(told.topic, told.partition) for told in self.events})
        return [self._world.loop.create_task(self._write(*place)) for place in places]

    async def _write(self, topic: str, partition: int) -> None:
        """Buffers while nobody takes it, as a producer does."""
        world, chance, kafka = self._world, self._chance, self._world.kafka
        recent: deque[bytes] = deque(maxlen=AGAIN_MAX)
        for told in [one for one in self.events if (one.topic, one.partition) == (topic, partition)]:
            late_ns = int(self.late_s.get(partition, 0.0) * 1e9) + chance.randrange(1 * MS, 30 * MS)
            await asyncio.sleep(max(0, told.ts + late_ns - world.now_ns()) / 1e9)
            while not (kafka.up and kafka.topics[topic].logs[partition].leader):
                await asyncio.sleep(0.1)
            self._append(topic, partition, told.value)
            recent.append(told.value)
            self.sent += 1
            if chance.random() < self.twice:
                self._append(topic, partition, chance.choice(recent))
            if chance.random() < self.broken:
                self._append(topic, partition, chance.choice(JUNK))
            if chance.random() < 0.01:
                kafka.topics[topic].logs[partition].mark()

    def _append(self, topic: str, partition: int, value: bytes) -> None:
        self._world.kafka.append(topic, partition, None, value)

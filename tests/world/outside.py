"""The seam: what the monitor finds outside of itself, in this world.

Its clients of Kafka, MQTT and HTTP are the product's own, on simulated libraries (see `ends`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from monitor.core.keyring import Signer
from monitor.edge.clock import Clock, Tick
from monitor.edge.mqtt_out import Broker
from monitor.edge.suspects import Suspects
from monitor.outside import Outside, Unreachable
from tests.world.disk import Snapshots
from tests.world.trail import WorldTrail

if TYPE_CHECKING:
    from monitor.settings import Config
    from tests.world.processes import Life


class Scraped:
    """In the place of the page's server: somebody scrapes it, or it is stuck."""

    def __init__(self, exposition: Callable[[], bytes]) -> None:
        self._exposition = exposition

    async def run(self) -> None:
        while True:
            await asyncio.sleep(30.0)
            self._exposition()


class SlowClock(Clock):
    """One that is looked at as seldom as the plan says."""

    tick_s = 0.1

    def ticks(self, period_s: float = 0.0) -> AsyncIterator[Tick]:
        return super().ticks(period_s or self.tick_s)


class WorldOutside(Outside):
    """Everything that one life of a monitor touches."""

    def __init__(self, config: Config, life: Life) -> None:
        self._config, self._life = config, life
        self._world, self._host = life.world, life.host
        self._kafka: dict[str, Any] = {}
        self._mqtt = Broker("world", 1883, config.issuer)
        self.clock = SlowClock(self._host.wall_ns, lambda: self._world.loop.now_ns)
        self.clock.tick_s = self._world.plan.tick_s

    async def reach(self) -> None:
        for _ in range(8):
            if self._world.kafka.up:
                return
            await asyncio.sleep(1.0)
        raise Unreachable("no broker")

    async def make_topics(self) -> Mapping[str, str]:
        return {}

    def open_audit(self, signer: Signer) -> WorldTrail:
        chance = self._world.chance.of(f"disk/{self._host.name}")
        mount = self._host.mount(self._life)
        return WorldTrail(mount, self.clock.now_ns(), signer, chance, self._life.wrote)

    def open_store(self) -> Snapshots:  # type: ignore[override]
        chance = self._world.chance.of(f"disk/{self._host.name}")
        return Snapshots(self._host.mount(self._life), chance)

    def open_suspects(self) -> Suspects:
        return Suspects(None)  # its deaths are no crashes of ours

    def open_http(self, exposition: Callable[[], bytes], not_ready: Any) -> tuple[Any, int]:
        return Scraped(exposition), 0

    async def fetch(self, ranges: Sequence[tuple[str, int, int, int]]) -> list[tuple[str, int, int, bytes]]:
        await asyncio.sleep(self._world.kafka.delay_s())
        found = []
        for topic, partition, first, last in ranges:
            log = self._world.kafka.log(TopicPartition(topic, partition))
            read = log.read(first, last - first + 1) if log else ()
            found += [(topic, partition, one.offset, one.value or b"") for one in read if one.offset <= last]
        return found

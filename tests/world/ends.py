"""The product's own clients on simulated libraries: what each of them imports is replaced, for one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from monitor import feeding, reloading, serve
from monitor.core.keyring import PinnedKey
from monitor.edge import mqtt_out, pager
from monitor.edge.kafka_in import reader
from monitor.edge.kafka_out import dead_letters, halts
from monitor.gateway import gate
from tests.world import kafka, mqtt, pagers, reloads, watch
from tests.world.keys import receive_once, verify_once
from tests.world.loop import VirtualTime

if TYPE_CHECKING:
    from tests.world.world import World


@contextmanager
def simulated(world: World) -> Iterator[None]:
    with ExitStack() as stack:

        def put(where: object, **names: Any) -> None:
            stack.enter_context(mock.patch.multiple(where, create=True, **names))

        put(kafka.Consumer, cluster=world.kafka)
        put(kafka.Producer, cluster=world.kafka)
        put(mqtt.Client, broker=world.mqtt)
        put(pagers.AsyncClient, pagers=world.pagers)
        put(reader, AIOKafkaConsumer=kafka.Consumer, Drain=kafka.Drain, time=VirtualTime)
        put(reader.KafkaIn, _topics_now=kafka.topics_now)
        for module in (halts, dead_letters):
            put(module, producer_of=lambda *_, **__: kafka.Producer(), close=kafka.close, time=VirtualTime)
        put(halts, Express=kafka.Express)
        put(mqtt_out, aiomqtt=mqtt.aiomqtt, time=VirtualTime)
        put(pager, httpx=pagers.httpx, time=VirtualTime)
        put(feeding, time=VirtualTime)
        put(reloading, **reloads.simulated(world))
        for module in (gate, watch):
            put(module, receive=receive_once)
        put(PinnedKey, verifies=verify_once)
        put(serve, _settle_garbage=lambda: None)  # a process's own business, and this one lives on
        yield

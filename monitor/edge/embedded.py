"""Kafka and MQTT inside this process, over their real wire protocols, out of pip packages alone.

`EmbeddedKafka` is librdkafka's mock cluster, which comes inside the `confluent-kafka` wheel; `EmbeddedMqtt`
is amqtt.  Both listen on free loopback ports, both are for the demo and for quick tests, and neither keeps
what a log must keep:

* a partition holds 5 MB (24,000 events of 220 bytes) and forgets the rest, so memory is partitions x 5 MB,
  freed at the end; nothing is compacted; a search by timestamp finds nothing; topics end with the process;
* the answer to a produce request is stamped 1234 ms after the epoch: only a record read back has a true time;
* a topic has the number of partitions it is made with, by `topic_create` or, at first use, four;
* retained messages and sessions of the MQTT broker live in memory, and die with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from amqtt.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

RD_KAFKA_PRODUCER: Final = 0
ERROR_TEXT_BYTES: Final = 512
NO_ERROR: Final = 0

MQTT_START_SECONDS_MAX: Final = 5.0
MQTT_STOP_SECONDS_MAX: Final = 5.0


class EmbeddedKafka:
    """A cluster of mock brokers; the calls of the `rd_kafka_mock_*` family that faults are made of.

    Every call is answered by the cluster's own thread within microseconds, so none of them awaits.
    """

    def __init__(self, *, brokers: int = 1, topics: Mapping[str, int] | None = None) -> None:
        """`topics`: a name and its number of partitions; others come into being at first use, with four."""
        self.brokers: Final = brokers
        self._topics: Final = dict(topics or {})
        self._client: int | None = None
        self._cluster: int | None = None
        self.bootstrap_servers = ""

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        # Destroying joins the threads of the cluster: quick, but not for the loop to wait for.
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        assert self._cluster is None, "started twice"
        rd = _librdkafka()
        text = ctypes.create_string_buffer(ERROR_TEXT_BYTES)
        # The cluster needs a client object to belong to; it never connects anywhere.
        self._client = rd.rd_kafka_new(RD_KAFKA_PRODUCER, _quiet_conf(rd), text, ERROR_TEXT_BYTES)
        if not self._client:
            raise RuntimeError(f"librdkafka: {text.value.decode()}")
        self._cluster = rd.rd_kafka_mock_cluster_new(self._client, self.brokers)
        if not self._cluster:
            raise RuntimeError(f"librdkafka made no mock cluster of {self.brokers} brokers")
        self.bootstrap_servers = rd.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        for topic, partitions in self._topics.items():
            self.topic_create(topic, partitions)

    def stop(self) -> None:
        rd = _librdkafka()
        if self._cluster:
            rd.rd_kafka_mock_cluster_destroy(self._cluster)
            self._cluster = None
        if self._client:
            rd.rd_kafka_destroy(self._client)
            self._client = None

    def topic_create(self, topic: str, partitions: int) -> None:
        """Each partition on every broker; leaders go round."""
        self._call("rd_kafka_mock_topic_create", topic.encode(), partitions, self.brokers)

    def leader_set(self, topic: str, partition: int, broker: int) -> None:
        """Brokers are numbered from 1."""
        self._call("rd_kafka_mock_partition_set_leader", topic.encode(), partition, broker)

    def broker_down(self, broker: int) -> None:
        """Its connections are closed and new ones refused, until `broker_up`; what it leads, it leads."""
        self._call("rd_kafka_mock_broker_set_down", broker)

    def broker_up(self, broker: int) -> None:
        self._call("rd_kafka_mock_broker_set_up", broker)

    def broker_delay(self, broker: int, delay_ms: int) -> None:
        """Each answer of that broker comes this much later."""
        self._call("rd_kafka_mock_broker_set_rtt", broker, delay_ms)

    def records_delete(self, topic: str, partition: int, before_offset: int) -> None:
        """As retention does: what lies before that offset is gone."""
        self._call("rd_kafka_mock_partition_delete_records", topic.encode(), partition, before_offset)

    def _call(self, name: str, *args: int | bytes) -> None:
        assert self._cluster is not None, "not started"
        rd = _librdkafka()
        error = getattr(rd, name)(self._cluster, *args)
        if error != NO_ERROR:
            raise RuntimeError(f"{name}{args}: {rd.rd_kafka_err2str(error).decode()}")


class EmbeddedMqtt:
    """An MQTT 3.1.1 broker on this process's own event loop; anybody on this machine may publish."""

    def __init__(self) -> None:
        self._broker: Broker | None = None
        self.host: Final = "127.0.0.1"
        self.port = 0

    async def __aenter__(self) -> Self:
        # Its state machine and its sessions tell of each packet; the demo's screen has no room for that.
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        self._broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{self.host}:0"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        async with asyncio.timeout(MQTT_START_SECONDS_MAX):
            await self._broker.start()
        # The port that the kernel chose: amqtt has no public way to ask for it.
        self.port = self._broker._servers["default"].instance.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._broker is not None, "not started"
        async with asyncio.timeout(MQTT_STOP_SECONDS_MAX):
            await self._broker.shutdown()
        self._broker = None


@functools.cache
def _librdkafka() -> ctypes.CDLL:
    """The library inside the wheel, the same copy that `import confluent_kafka` loads."""
    spec = importlib.util.find_spec("confluent_kafka")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    if len(found) != 1:
        raise RuntimeError(f"no librdkafka inside confluent-kafka (a wheel has one): {found}")
    rd = ctypes.CDLL(str(found[0]))
    handle, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, returns, takes in (
        ("rd_kafka_conf_new", handle, []),
        ("rd_kafka_conf_set", number, [handle, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", handle, [number, handle, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [handle]),
        ("rd_kafka_err2str", text, [number]),
        ("rd_kafka_mock_cluster_new", handle, [handle, number]),
        ("rd_kafka_mock_cluster_destroy", None, [handle]),
        ("rd_kafka_mock_cluster_bootstraps", text, [handle]),
        ("rd_kafka_mock_topic_create", number, [handle, text, number, number]),
        ("rd_kafka_mock_partition_set_leader", number, [handle, text, ctypes.c_int32, ctypes.c_int32]),
        ("rd_kafka_mock_partition_delete_records", number, [handle, text, ctypes.c_int32, ctypes.c_int64]),
        ("rd_kafka_mock_broker_set_down", number, [handle, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_up", number, [handle, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_rtt", number, [handle, ctypes.c_int32, number]),
    ):
        function = getattr(rd, name)
        function.restype = returns
        function.argtypes = takes
    return rd


def _quiet_conf(rd: ctypes.CDLL) -> int:
    """Only what ends the client is worth a line on standard error (2: critical)."""
    conf: int = rd.rd_kafka_conf_new()
    text = ctypes.create_string_buffer(ERROR_TEXT_BYTES)
    if rd.rd_kafka_conf_set(conf, b"log_level", b"2", text, ERROR_TEXT_BYTES) != 0:
        raise RuntimeError(f"librdkafka: {text.value.decode()}")
    return conf

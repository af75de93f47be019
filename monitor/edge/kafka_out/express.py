"""The short way to a topic's leader: a connection that is held open, and a request written to it at once.

aiokafka's `send` reaches the socket five turns of the loop later, and after the answer to whatever
else is under way to that broker.  Here the bytes have left when `post` returns.  There are no second
tries: what fails here goes the usual way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaError, RequestTimedOutError, for_code
from aiokafka.protocol.produce import ProduceRequest

from monitor.edge.kafka_out.client import REQUEST_MS

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

    from aiokafka import AIOKafkaProducer

ALL: Final = -1  # replicas in sync acknowledge
BYTES_MAX: Final = 256 * 1024  # what is longer is left to the producer, which knows what it may send
APART: Final = ConnectionGroup.COORDINATION  # the producer's own leases and states use the other one


@dataclass(frozen=True, slots=True)
class Answer:
    """To one request that was written: `heard` waits for it, `close` says that nobody will."""

    client: Any
    connection: Any
    awaited: Coroutine[Any, Any, Any]

    async def heard(self) -> None:
        """Until the broker has it; raises what it said instead."""
        try:
            response = await self.awaited
        except TimeoutError as late:
            self.connection.close(reason=CloseReason.CONNECTION_TIMEOUT)  # `open` makes another
            raise RequestTimedOutError from late
        (_topic, ((_partition, code, *_),)) = response.topics[0]
        if code:
            error = for_code(code)
            if error.invalid_metadata:
                self.client.force_metadata_update()
            raise error

    def close(self) -> None:
        self.awaited.close()


class Express:
    """Of one client: for these topics, where their leaders are known and connected."""

    def __init__(self, producer: AIOKafkaProducer, topics: Iterable[str]) -> None:
        self._producer = producer
        self._client = producer.client
        self._topics = frozenset(topics)

    @property
    def is_open(self) -> bool:
        """Nothing is left for `open` to do."""
        return all(
            bool(leaders) and all(self._connection(leader) is not None for leader in leaders)
            for leaders in map(list, map(self._leaders, self._topics))
        )

    async def open(self) -> None:
        """Connect to the leaders; raises a `KafkaError` where they are not known."""
        for topic in self._topics:
            await self._client._wait_on_metadata(topic)
            for leader in self._leaders(topic):
                await self._client.ready(leader, group=APART)

    def post(self, topic: str, key: bytes, value: bytes | None) -> Answer | None:
        """Write it; None if this way is not open for it now."""
        if topic not in self._topics or len(value or b"") > BYTES_MAX:
            return None
        cluster = self._client.cluster
        if not cluster.partitions_for_topic(topic):
            return None
        partition = self._producer._partition(topic, None, None, None, key, value)
        leader = cluster.leader_for_partition(TopicPartition(topic, partition))
        connection = self._connection(leader)
        if connection is None:
            return None
        batch = self._producer.create_batch()
        batch.append(timestamp=None, key=key, value=value)
        asked = ProduceRequest(
            transactional_id=None,
            required_acks=ALL,
            timeout=REQUEST_MS,
            topics=[(topic, [(partition, batch._build())])],
        )
        try:
            return Answer(self._client, connection, connection.send(asked))
        except (KafkaError, OSError):
            return None

    def _leaders(self, topic: str) -> Iterator[int | None]:
        cluster = self._client.cluster
        for partition in cluster.partitions_for_topic(topic) or ():
            yield cluster.leader_for_partition(TopicPartition(topic, partition))

    def _connection(self, leader: int | None) -> Any:
        connection = self._client._conns.get((leader, APART))
        return connection if connection is not None and connection.connected() else None

"""A fetch says by which leader's log its offset is meant: another leader refuses it instead of misreading it.

An unclean election cuts the log back, and what is written then takes the offsets of what was lost: an offset
alone cannot tell.  With the leader's epoch in it (KIP-320) a fetch is refused until we have asked the new
leader where the old one's log ends with it.  aiokafka sends no epoch, so its fetcher gets a client that does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka.client import ConnectionGroup
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.types import Array, Int16, Int32, Int64, Schema, String

from monitor.edge.kafka_in.metadata import TopicsQuestion, topics_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaConsumer

    from monitor.edge.kafka_in.facts import Key

FETCH_WITH_EPOCH: Final = 9
FENCED: Final = 74
UNKNOWN_EPOCH: Final = 75
PAUSE_S: Final = 0.1  # a refusal comes at once, and would be asked for again at once
ANSWER_S_MAX: Final = 1.0


class FencedFetch(FetchRequest):  # type: ignore[misc]  # aiokafka brings no types that mypy reads
    """aiokafka's own fetch, with the epochs that we know."""

    def __init__(self, plain: Any, epochs: Mapping[Key, int]) -> None:
        self.__dict__.update(plain.__dict__)
        self._epochs = epochs

    def build(self, request_struct_class: Any) -> Any:
        """As it is, but where it says that the epoch is not known."""
        built = super().build(request_struct_class)
        if request_struct_class.API_VERSION >= FETCH_WITH_EPOCH:
            built.topics = [
                (topic, [(part, self._epochs.get((topic, part), -1), *rest) for part, _, *rest in parts])
                for topic, parts in built.topics
            ]
        return built


class FencingClient:
    """In the place of the fetcher's client; everything but a fetch goes through as it is."""

    def __init__(self, client: Any, epochs: Mapping[Key, int]) -> None:
        self._client = client
        self._epochs = epochs
        self.fenced: dict[Key, int] = {}  # and the node that said so: it leads now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any, **how: Any) -> Any:
        """A fetch that was refused for its epoch is noted, and followed by a pause."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request, **how)
        answer = await self._client.send(node_id, FencedFetch(request, self._epochs), **how)
        refused = {
            (topic, part): code
            for topic, parts in answer.topics
            for part, code, *_ in parts
            if code in (FENCED, UNKNOWN_EPOCH)
        }
        if refused:
            self.fenced |= {key: node_id for key, code in refused.items() if code == FENCED}
            self._client.force_metadata_update()
            await asyncio.sleep(PAUSE_S)
        return answer


class EpochEndAnswer(Response):  # type: ignore[misc]
    API_KEY = 23
    API_VERSION = 2
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader_epoch", Int32),
                        ("end_offset", Int64),
                    ),
                ),
            ),
        ),
    )


class EpochEndQuestionV2(RequestStruct):  # type: ignore[misc]
    API_KEY = 23
    API_VERSION = 2
    RESPONSE_TYPE = EpochEndAnswer
    SCHEMA = Schema(
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("partition", Int32), ("current_leader_epoch", Int32), ("leader_epoch", Int32)),
                ),
            ),
        )
    )


class EpochEndQuestion(Request[EpochEndQuestionV2]):  # type: ignore[misc]
    """Where in the leader's log does the log of that earlier leader end?"""

    API_KEY = 23

    def __init__(self, key: Key, now: int, then: int) -> None:
        self._key, self._now, self._then = key, now, then

    def build(self, request_struct_class: type[EpochEndQuestionV2]) -> EpochEndQuestionV2:
        topic, partition = self._key
        return request_struct_class([(topic, [(partition, self._now, self._then)])])


async def led_anew(
    consumer: AIOKafkaConsumer, key: Key, node_id: int, epoch: int, topic_id: bytes
) -> tuple[int, int | None] | None:
    """The epoch of the leader that refused us, and how far its log is that of `epoch`; None: ask again.

    The end is None where the broker cannot say.  A topic of another id is the look's affair.
    """
    client, (topic, partition) = consumer._client, key
    now = None
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            # On a connection of its own: the fetch's may be waiting for records.
            said = await client.send(node_id, TopicsQuestion([topic]), group=ConnectionGroup.COORDINATION)
            now = topics_in(said).get(topic)
            if now is None or now.id != topic_id or now.epochs.get(partition, -1) <= epoch:
                return None
            question = EpochEndQuestion(key, now.epochs[partition], epoch)
            answer = await client.send(node_id, question, group=ConnectionGroup.COORDINATION)
    except (NotImplementedError, IncompatibleBrokerVersion):
        return None if now is None else (now.epochs[partition], None)
    except (KafkaError, OSError, TimeoutError):
        return None
    ((_, ((error, _, _, end),)),) = answer.topics
    return None if error else (now.epochs[partition], int(end) if end >= 0 else None)

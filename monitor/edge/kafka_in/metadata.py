"""A topic's identity: the one question about Kafka that aiokafka cannot ask.

A topic that was deleted and made again has the old name and, soon enough, offsets as
high as the old ones.  Only its id tells.  Metadata version 10 (KIP-516, Kafka 2.8)
carries it; a broker that is older answers nothing here, and offsets alone must do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BytesIO

METADATA: Final = 3
UUID_BYTES: Final = 16
NO_ID: Final = bytes(UUID_BYTES)


class Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka brings no types that mypy reads
    """Sixteen bytes as they come."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(UUID_BYTES)


class TopicsAnswer(Response):  # type: ignore[misc]
    API_KEY = METADATA
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("operations", Int32),
        ("tags", TaggedFields),
    )


class TopicsQuestionV10(RequestStruct):  # type: ignore[misc]
    API_KEY = METADATA
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = TopicsAnswer
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsQuestion(Request[TopicsQuestionV10]):  # type: ignore[misc]
    """Which ids and partitions do these topics have now?"""

    API_KEY = METADATA

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[TopicsQuestionV10]) -> TopicsQuestionV10:
        asked: list[tuple[bytes, str, dict[int, bytes]]] = [(NO_ID, topic, {}) for topic in self._topics]
        return request_struct_class(asked, False, False, False, {})  # noqa: FBT003 - the protocol's order


@dataclass(frozen=True, slots=True)
class TopicNow:
    """What a broker says of a topic; `id` is empty where it cannot say."""

    id: bytes
    partitions: frozenset[int]
    epochs: Mapping[int, int] = field(default_factory=dict)  # how often each changed its leader


def topics_in(answer: Any) -> dict[str, TopicNow]:
    """The topics of an answer that exist."""
    return {
        name: TopicNow(
            b"" if topic_id == NO_ID else topic_id,
            frozenset(part[1] for part in partitions),
            {part[1]: part[3] for part in partitions if not part[0] and part[3] >= 0},
        )
        for error, name, topic_id, _internal, partitions, *_ in answer.topics
        if not error
    }

"""Topics that we write to, made where they are missing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from monitor.edge.kafka_out.client import CLOSE_S_MAX, REQUEST_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REPLICAS_MAX: Final = 3


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

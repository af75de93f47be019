"""One kind of producer, and its end within a deadline.

`acks="all"` without idempotence: the idempotent producer hangs for 20 s when all brokers
are down, and our own ids make a second copy harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_MS: Final = 2_000
CONNECT_S_MAX: Final = 5.0
CLOSE_S_MAX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: `ok` means that the broker said so."""

    ok: bool
    latency_s: float
    detail: str = ""
    superseded: bool = False  # no failure: a newer message of the same key goes in its place


def producer_of(client: Mapping[str, Any], **options: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **client,
        acks="all",
        enable_idempotence=False,
        request_timeout_ms=REQUEST_MS,
        metadata_max_age_ms=5_000,
        retry_backoff_ms=100,
        **options,
    )


async def close(producer: AIOKafkaProducer) -> None:
    """Within a deadline: `stop` flushes first, and a dead broker never takes what it flushes."""
    for step in (producer.stop, producer._sender.close, producer.client.close):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S_MAX):
                await step()

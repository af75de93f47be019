"""What a restart would find now: the snapshot, who fits it, and what Kafka would have to tell again.

Reads the newest snapshot as the monitor would, and sets nothing aside; asks the brokers where their topics
begin and end.  What it cannot find out it says; a restart that would lose something is a failed check.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from monitor.cli.clients import in_words, roads_of
from monitor.core import snapshot
from monitor.core.engine import Engine
from monitor.edge.store import snapshots_in
from monitor.settings.policy import policy_of

if TYPE_CHECKING:
    from monitor.settings import Config

ANSWER_S_MAX: Final = 10.0


@dataclass
class Restart:
    """What was found out."""

    losses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    is_unanswered: bool = False  # by Kafka: what it still has is not known


def examine(config: Config) -> Restart:
    """Everything that can be said without starting."""
    found = Restart()
    engine = _from_snapshot(config, found)
    if engine is not None:
        asyncio.run(_ask_kafka(config, engine, found))
    found.document |= {"losses": found.losses, "notes": found.notes}
    return found


def _from_snapshot(config: Config, found: Restart) -> Engine | None:
    policy = policy_of(config)
    for path in snapshots_in(config.snapshot.folder):
        try:
            state = snapshot.decode(path.read_bytes())
            engine = Engine(policy)
            engine.restore(state)
        except (snapshot.BadSnapshot, OSError, ValueError, KeyError, TypeError) as unfit:
            found.losses.append(f"{path.name} cannot be read: {unfit}; it would be set aside")
            continue
        age_s = time.time() - path.stat().st_mtime
        before = str(state["engine"]["policy_digest"])
        found.document |= {
            "snapshot": str(path), "age_s": round(age_s, 1), "bytes": path.stat().st_size,
            "open_halts": len(engine.halts.open),
            "policy_digest": policy.digest, "policy_digest_before": before,
        }  # fmt: skip
        found.notes.append(f"{path.name}: {age_s:.0f} s old, {len(engine.halts.open)} open halts")
        if before != policy.digest:
            found.notes.append("the configuration judges otherwise than the one that saved it")
        found.losses += [
            f"detector {name} would begin anew: {why}" for name, why in engine.began_anew.items()
        ]
        return engine
    found.losses.append(
        f"{config.snapshot.folder} holds no snapshot that can be read: the session is read again"
    )
    return None


async def _ask_kafka(config: Config, engine: Engine, found: Restart) -> None:
    """How much would be read again, and whether it is all still there."""
    at = {TopicPartition(*_key(engine, part)): offset for part, offset in engine.next_offsets.items()}
    client, _ = roads_of(config, "doctor")
    consumer = AIOKafkaConsumer(**client, group_id=None, enable_auto_commit=False)
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            await consumer.start()
            first, end = await consumer.beginning_offsets(list(at)), await consumer.end_offsets(list(at))
    except (KafkaError, OSError, TimeoutError) as broken:
        why = in_words(str(broken) or type(broken).__name__)
        found.losses.append(f"{config.kafka.bootstrap_servers} does not say what it still has: {why}")
        found.is_unanswered = True
        return
    finally:
        await asyncio.wait({asyncio.ensure_future(consumer.stop())}, timeout=2.0)
    again = 0
    for partition, offset in sorted(at.items()):
        again += max(0, end[partition] - offset)
        where = f"{partition.topic}/{partition.partition}"
        if offset < first[partition]:
            found.losses.append(f"{where}: records {offset} to {first[partition]} are gone from the broker")
        if offset > end[partition]:
            found.losses.append(
                f"{where} ends at {end[partition]}, before the snapshot's {offset}: another log"
            )
    found.document["records_to_read"] = again
    found.notes.append(f"{again:,} records would be read from Kafka")


def _key(engine: Engine, part: int) -> tuple[str, int]:
    return engine.parts[part].topic, engine.parts[part].partition

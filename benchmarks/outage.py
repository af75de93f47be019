"""One of three brokers is killed: how long the monitor judges nothing, beside a bare consumer and a bare producer.

    producer   aiokafka, acks from all: an event each 20 ms into one partition, whose leader is killed
    consumer   aiokafka's own loop with the monitor's settings, nothing decoded
    monitor    `knightwatch run`: its counter of judged events, read each 20 ms

All three in one run; told is the longest silence of each.  Asked: the monitor's at most 0.5 s longer than the
consumer's.  Brokers' settings are those that `deploy/OPERATING.md` recommends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from benchmarks import flow
from benchmarks.bed import Bed, spread
from benchmarks.soak import begin, series
from monitor.edge.kafka_in import reader

if TYPE_CHECKING:
    from tests.real.kafka import Kafka

TOPIC: Final = "bench.outage"
EVERY_S: Final = 0.02
CALM_S: Final = 5.0
AFTER_S: Final = 12.0
ASKED_S: Final = 0.5

Seen = dict[str, list[float]]  # by whom, the times at which something went forward


def run(rounds: int = 3) -> dict[str, Any]:
    """A kill a round; the broker comes back between two."""
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder), nodes=3) as bed:
        bed.kafka.create_topic(TOPIC)
        monitor, port = begin(bed.configuration("outage", topic=TOPIC))
        try:
            found = asyncio.run(_rounds(bed.kafka, port, rounds))
        finally:
            monitor.terminate()
            monitor.wait(30)
    longer = [one["monitor"] - one["consumer"] for one in found]
    return {
        "asked_longer_s": ASKED_S,
        "rounds": rounds,
        **{f"{who}_s": spread(one[who] for one in found) for who in ("producer", "consumer", "monitor")},
        "longer_s": spread(longer),
    }


async def _rounds(kafka: Kafka, port: int, rounds: int) -> list[dict[str, float]]:
    found = []
    seen: Seen = {"producer": [], "consumer": [], "monitor": []}
    beside = (_produce(kafka, seen), _consume(kafka, seen), _watch(port, seen))
    tasks = [asyncio.create_task(work) for work in beside]
    try:
        for _ in range(rounds):
            await kafka.in_sync_are(TOPIC, 0, set(kafka.nodes))
            await asyncio.sleep(CALM_S)
            began_s = time.monotonic()
            dead = await asyncio.to_thread(kafka.leader_of, TOPIC, 0)
            kafka.kill9(dead)
            await asyncio.sleep(AFTER_S)
            found.append({who: _silence_s(times, began_s) for who, times in seen.items()})
            for task in tasks:
                if task.done():
                    task.result()
            await kafka.restart(dead)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return found


def _silence_s(times: list[float], began_s: float) -> float:
    """The longest, of one that was not over before and is over now."""
    since = [at_s for at_s in times if at_s >= began_s - 1]
    assert since, "nothing went forward"
    return max(later - earlier for earlier, later in itertools.pairwise([*since, time.monotonic()]))


async def _produce(kafka: Kafka, seen: Seen) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=False,
        request_timeout_ms=2_000, metadata_max_age_ms=5_000, retry_backoff_ms=100,
    )  # fmt: skip
    await producer.start()
    try:
        for _, _, value in flow.events(1 << 40, time.time_ns(), int(EVERY_S * 1e9)):
            with contextlib.suppress(KafkaError):  # an event is lost to all three
                sent = await producer.send(TOPIC, value, partition=0)
                sent.add_done_callback(lambda sent: _delivered(sent, seen["producer"]))
            await asyncio.sleep(EVERY_S)
    finally:
        await asyncio.wait({asyncio.ensure_future(producer.stop())}, timeout=5)


def _delivered(sent: asyncio.Future[Any], times: list[float]) -> None:
    if not sent.cancelled() and sent.exception() is None:
        times.append(time.monotonic())


async def _consume(kafka: Kafka, seen: Seen) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=reader.FETCH_WAIT_MS,
        request_timeout_ms=reader.REQUEST_MS,
        metadata_max_age_ms=reader.METADATA_AGE_MS,
        retry_backoff_ms=100,
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        await consumer.seek_to_end()
        while True:
            if any((await consumer.getmany(timeout_ms=1_000)).values()):
                seen["consumer"].append(time.monotonic())
    finally:
        await asyncio.wait({asyncio.ensure_future(consumer.stop())}, timeout=5)


async def _watch(port: int, seen: Seen) -> None:
    judged = 0.0
    async with httpx.AsyncClient(timeout=5) as scraper:
        while True:
            answer = await scraper.get(f"http://127.0.0.1:{port}/metrics")
            now = series(answer.text, "knightwatch_events_total")
            if now > judged:
                judged = now
                seen["monitor"].append(time.monotonic())
            await asyncio.sleep(EVERY_S)

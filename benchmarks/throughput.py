"""Events a second through real Kafka: the product's whole path over an empty `getmany` loop.

    bare    aiokafka's `getmany` in a loop that does nothing with the records
    ours    `monitor.serve.Monitor` as `knightwatch run` starts it: records in, decoded, judged by the three
            families, lines into a real audit trail, metrics, ticks, leases and states on Kafka and MQTT

Both read the same topic of four partitions that was filled before, one broker on the same machine, each in a
process of its own, in turns (A B A B ...), with the same client settings and the same gc setting, from the first
record in hand to the last one done.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.bed import FAMILIES, PARTITIONS, TELEMETRY, Bed, fill, side, spread
from monitor.edge.kafka_in import Chunk, reader
from monitor.serve import Monitor, _settle_garbage
from monitor.settings import load


def run(events: int = 1_000_000, pairs: int = 5) -> dict[str, Any]:
    """Medians of `pairs` runs of each; the ratio is the median of the pairs' ratios."""
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder)) as bed:
        size = fill(bed.kafka.bootstrap_servers, events)
        runs: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
        for turn in range(pairs + 1):
            bare = side("benchmarks.throughput", "bare", bed.kafka.bootstrap_servers, events)
            ours = side("benchmarks.throughput", "ours", bed.configuration(f"run-{turn}"), events)
            if turn:  # the first pair warms the broker, the page cache and the kernels
                runs["bare"].append(bare)
                runs["ours"].append(ours)
    ratios = [b["seconds"] / o["seconds"] for b, o in zip(runs["bare"], runs["ours"], strict=True)]
    of_cpu = [b["cpu_seconds"] / o["cpu_seconds"] for b, o in zip(runs["bare"], runs["ours"], strict=True)]
    assert all(one["halts"] == 0 for one in runs["ours"]), "the flow is clean: a halt is a mistake"
    return {
        "events": events,
        "bytes_an_event": round(size, 1),
        "partitions": PARTITIONS,
        "families": list(FAMILIES),
        "gc": "gc.freeze(), threshold (100000, 20, 20) on both sides",
        "client": f"max_partition_fetch_bytes {reader.PARTITION_FETCH_BYTES}, fetch_max_wait_ms {reader.FETCH_WAIT_MS}",
        "pairs": pairs,
        "bare_events_per_s": spread(events / one["seconds"] for one in runs["bare"]),
        "ours_events_per_s": spread(events / one["seconds"] for one in runs["ours"]),
        "ratio": spread(ratios),
        "ratio_of_processor_time": spread(of_cpu),
    }


async def bare(bootstrap_servers: str, events: int) -> dict[str, Any]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=reader.FETCH_WAIT_MS,
        max_partition_fetch_bytes=reader.PARTITION_FETCH_BYTES,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(TELEMETRY, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        _settle_garbage()
        read, began_s, began_cpu_s = 0, 0.0, 0.0
        while read < events:
            found = await consumer.getmany(timeout_ms=1_000)
            if not read:
                began_s, began_cpu_s = time.perf_counter(), time.process_time()
            read += sum(map(len, found.values()))
        return {"seconds": time.perf_counter() - began_s, "cpu_seconds": time.process_time() - began_cpu_s}
    finally:
        await consumer.stop()


class Timed(Monitor):
    """The monitor, and when it had the first record in hand and had judged the last."""

    def time_until(self, events: int) -> None:
        self.left = events
        self.began: tuple[float, float] | None = None
        self.done = asyncio.Event()

    def _start(self, tasks: asyncio.TaskGroup) -> None:
        super()._start(tasks)
        judge = self.feed.arrived

        def arrived(chunk: Chunk) -> None:
            if self.began is None:
                self.began = time.perf_counter(), time.process_time()
            judge(chunk)
            self.left -= len(chunk)
            if self.left <= 0 and not self.engine.sequencer.is_catching_up:
                self.took = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
                self.done.set()

        self.feed.arrived = arrived  # type: ignore[method-assign]


async def ours(configuration: Path, events: int) -> dict[str, Any]:
    monitor = Timed(load(configuration))
    monitor.time_until(events)
    stop = asyncio.Event()
    running = asyncio.create_task(monitor.run(stop))
    done = asyncio.create_task(monitor.done.wait())
    await asyncio.wait({running, done}, return_when=asyncio.FIRST_COMPLETED, timeout=300)
    stop.set()
    await running
    seconds, cpu_seconds = monitor.took
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "halts": len(monitor.engine.halts.open)}


def main(which: str, where: str, events: str) -> None:
    one = bare(where, int(events)) if which == "bare" else ours(Path(where), int(events))
    print(json.dumps(asyncio.run(one)))


if __name__ == "__main__":
    main(*sys.argv[1:])

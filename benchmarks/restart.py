"""A monitor that knows a million live orders is killed with -9: how long until it judges again.

    python -m benchmarks.restart [ORDERS PARENTS]

`knightwatch run`, a process of its own, on real Kafka: it is fed as `benchmarks.memory` feeds its engine, and
10,000 ordinary events a second go on all the time.  When it judges them and has saved what it knows, it is killed and
started anew at once.  The time counts from there to the first lease of the new life that says `judging`: Python, its
imports, the kernels, the snapshot, the clients, and all that came meanwhile read.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from confluent_kafka import OFFSET_END, Consumer, Producer
from confluent_kafka import TopicPartition as Place

from benchmarks.bed import PARTITIONS, ROOT, TELEMETRY, Bed, spread
from benchmarks.latency import EVENTS_PER_S
from benchmarks.memory import MB, WIDE, live_orders
from monitor.core.roads import LEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS: Final = 3
FIRST_S_MAX: Final = 180.0


def run(orders: int = 1_000_000, parents: int = 100_000) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder)) as bed:
        servers = bed.kafka.bootstrap_servers
        records = fill(servers, orders, parents)
        configuration = bed.configuration("restart", limits=WIDE)
        leases = Leases(servers)
        background = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.latency", "background", servers, TELEMETRY], cwd=ROOT
        )
        monitor = started(configuration)
        took: list[float] = []
        try:
            first_s = leases.judging_after(time.monotonic(), FIRST_S_MAX)
            for _ in range(ROUNDS):
                wait_for_snapshot(configuration.parent / "snapshot")
                resident_mb = psutil.Process(monitor.pid).memory_info().rss / MB
                monitor.kill()
                monitor.wait()
                began_s = time.monotonic()
                monitor = started(configuration)
                took.append(leases.judging_after(began_s, FIRST_S_MAX))
            snapshot_mb = (
                max(file.stat().st_size for file in (configuration.parent / "snapshot").glob("*.kws")) / MB
            )
        finally:
            for process in (background, monitor):
                process.kill()
                process.wait()
            leases.close()
    return {
        "orders": orders,
        "parents": parents,
        "events_before": records,
        "events_per_s_meanwhile": EVENTS_PER_S,
        "judging_first_s": first_s,
        "judging_again_s": spread(took),
        "snapshot_mb": snapshot_mb,
        "resident_mb": resident_mb,
    }


def fill(servers: str, orders: int, parents: int) -> int:
    """All records of a parent into one partition; how many there are."""
    producer = Producer(
        {"bootstrap.servers": servers, "linger.ms": 50, "queue.buffering.max.messages": 200_000}
    )
    each = 3 + 2 * (orders // parents)
    count = 0
    for count, record in enumerate(live_orders(orders, parents), 1):
        while True:
            try:
                producer.produce(TELEMETRY, record, partition=(count - 1) // each % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    assert producer.flush(60) == 0
    return count


def started(configuration: Path) -> subprocess.Popen[bytes]:
    with configuration.with_name("monitor.log").open("ab") as log:
        words = [
            sys.executable,
            "-c",
            "from monitor.cli import main; main()",
            "run",
            "-c",
            str(configuration),
        ]
        return subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)


def wait_for_snapshot(folder: Path) -> None:
    """One that was begun from now on."""
    since, until = time.time(), time.monotonic() + 60
    while not any(file.stat().st_ctime > since + 1 for file in folder.glob("*.kws")):
        assert time.monotonic() < until, "no snapshot was saved"
        time.sleep(0.1)


class Leases:
    """What the monitor says of itself, as anybody reads it."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": servers, "group.id": "restart", "fetch.wait.max.ms": 50}
        )
        self._consumer.assign([Place(LEASES, 0, OFFSET_END)])
        self._lives: set[str] = set()

    def judging_after(self, began_s: float, seconds_max: float) -> float:
        """Seconds until a life that was not heard judging before says that it judges."""
        for payload in self._payloads(began_s + seconds_max):
            if payload["status"] == "judging" and payload["boot"] not in self._lives:
                self._lives.add(payload["boot"])
                return time.monotonic() - began_s
        raise TimeoutError(f"no new life judges after {seconds_max:.0f} s")

    def _payloads(self, until_s: float) -> Iterator[dict[str, Any]]:
        while time.monotonic() < until_s:
            message = self._consumer.poll(0.2)
            if message is not None and message.error() is None:
                yield json.loads(base64.b64decode(json.loads(message.value())["payload"]))

    def close(self) -> None:
        self._consumer.close()


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:] or (1_000_000, 100_000)))))

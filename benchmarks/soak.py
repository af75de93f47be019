"""Half an hour of 5,000 events a second, and of nothing: what grows that should not.

    python -m benchmarks.soak [MINUTES]

Two monitors as `knightwatch run` starts them, on one broker: one reads clean flow, one a topic in which nothing is
said.  Resident memory, open files, threads and the loop's tasks are read each five seconds.  What counts is the
slope after the first third, in which tables and allocators find their size.

Executions are remembered for the whole session and parents until their trade date is over, so memory grows with
them up to the bounds of `[memory]`, by design.  The busy monitor's bounds are such that half an hour passes them:
262,144 executions are full after 4 minutes; a trade date lasts 4 minutes, and of 131,072 parents the first ones
make room when, after 10, the table is full; an order is forgotten five minutes after it is out.  From then on
everything that comes takes the place of something, and memory that grows is a leak.  What the monitor says its
tables hold is told beside what is resident (`beside_mb` is the rest): that is flat from the first minutes on.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from benchmarks import flow
from benchmarks.bed import FAMILIES, PARTITIONS, ROOT, Bed

if TYPE_CHECKING:
    from collections.abc import Iterable

EVENTS_PER_S: Final = 5_000
LOOK_EVERY_S: Final = 5.0
TRADE_DATE_S: Final = 240
BOUNDS: Final = "[memory]\norders_max = 1_048_576\nexecutions_max = 262_144\nparents_max = 131_072\n"
MB: Final = 1_000_000
RUN: Final = "from monitor.cli import main; main()"
FLOW: Final = "from benchmarks.soak import speak; import sys; speak(*sys.argv[1:])"


def run(minutes: float = 30) -> dict[str, Any]:
    """Both at once; slopes by least squares, an hour's worth."""
    compile_kernels()  # a monitor that compiled its own would keep what the compiler took: 400 MB
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder)) as bed:
        monitors = {}
        for name in ("busy", "idle"):
            topic = f"soak.{name}"
            bed.kafka.create_topic(topic, PARTITIONS)
            file = bed.configuration(name, topic=topic)
            if name == "busy":
                file.write_text(file.read_text() + BOUNDS)
            monitors[name] = begin(file)
        speaker = subprocess.Popen(
            [sys.executable, "-c", FLOW, bed.kafka.bootstrap_servers, "soak.busy"], cwd=ROOT
        )
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in monitors}
        until_s = time.monotonic() + minutes * 60
        try:
            while time.monotonic() < until_s:
                time.sleep(LOOK_EVERY_S)
                for name, (process, port) in monitors.items():
                    seen[name].append(look(process, port))
        finally:
            for process in (speaker, *(process for process, _ in monitors.values())):
                process.send_signal(signal.SIGTERM)
                process.wait(30)
    return {
        "minutes": minutes,
        "events_per_s": EVENTS_PER_S,
        **{name: _said(looks) for name, looks in seen.items()},
    }


def compile_kernels() -> None:
    """In a process of its own."""
    warm = "import sys; from monitor.warm import warm_up; warm_up(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", warm, *FAMILIES], cwd=ROOT, check=True)


def speak(bootstrap_servers: str, topic: str) -> None:
    """Clean flow at its pace, until somebody ends us."""
    from confluent_kafka import Producer  # noqa: PLC0415 - only this process needs it

    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 5})
    events = flow.events(1 << 40, time.time_ns(), 1_000_000_000 // EVENTS_PER_S)
    began_s, told, today = time.monotonic(), 0, datetime.now(UTC).date()
    while True:
        passed_s = time.monotonic() - began_s
        due = int(passed_s * EVENTS_PER_S)
        date = today + timedelta(days=passed_s // TRADE_DATE_S)
        of_date = f',"trade_date":"{date}"}}'.encode()
        for _ in range(due - told):
            key, ts, value = next(events)
            producer.produce(
                topic, value[:-1] + of_date, partition=key % PARTITIONS, timestamp=ts // 1_000_000
            )
        told = due
        producer.poll(0)
        time.sleep(0.01)


def begin(configuration: Path, planted: str = "") -> tuple[subprocess.Popen[bytes], int]:
    """A monitor and the port of its page; `planted`: what it executes before it is one."""
    log = configuration.with_name("monitor.log")
    process = subprocess.Popen(
        [sys.executable, "-c", f"{planted}\n{RUN}", "run", "-c", str(configuration)],
        cwd=ROOT,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    until_s = time.monotonic() + 300
    while time.monotonic() < until_s:
        port = re.search(r"http_port\W+(\d+)", log.read_text())
        if port:
            return process, int(port[1])
        time.sleep(0.5)
    raise RuntimeError(log.read_text()[-2_000:])


def look(process: subprocess.Popen[bytes], port: int) -> dict[str, float]:
    """What it says of itself, and what the system says of it."""
    found = psutil.Process(process.pid)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        told = answer.read().decode()
    resident_mb, tables_mb = found.memory_info().rss / MB, series(told, "knightwatch_tables_bytes") / MB
    return {
        "at_s": time.monotonic(),
        "cpu_s": sum(found.cpu_times()[:2]),
        "resident_mb": resident_mb,
        "tables_mb": tables_mb,
        "beside_mb": resident_mb - tables_mb,
        "forgotten": series(told, 'knightwatch_over_bound{what="forgotten"}'),
        "unnamed": series(told, 'knightwatch_over_bound{what="unnamed"}'),
        "descriptors": found.num_fds(),
        "threads": found.num_threads(),
        "tasks": series(told, "knightwatch_tasks"),
        "events": series(told, "knightwatch_events_total"),
        "halts": series(told, "knightwatch_halts_open"),
        "lag_s": max(
            map(float, re.findall(r"^knightwatch_lag_seconds\{.*\} (\S+)", told, re.MULTILINE)), default=0.0
        ),
    }


def series(told: str, name: str) -> float:
    """One number of the page."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def _said(looks: list[dict[str, float]]) -> dict[str, Any]:
    later = looks[len(looks) // 3 :]
    return {
        "events": later[-1]["events"],
        "halts_open": later[-1]["halts"],
        "lag_s_max": max(look["lag_s"] for look in later),
        "forgotten": later[-1]["forgotten"],
        "unnamed": later[-1]["unnamed"],
        "each_minute_mb": [
            {"resident": round(look["resident_mb"]), "tables": round(look["tables_mb"])}
            for look in looks[:: int(60 / LOOK_EVERY_S)]
        ],
        **{
            what: {
                "first": later[0][what], "last": later[-1][what],
                "slope_an_hour": round(3_600 * _slope((look["at_s"], look[what]) for look in later), 2),
            }
            for what in ("resident_mb", "tables_mb", "beside_mb", "descriptors", "threads", "tasks")
        },
    }  # fmt: skip


def _slope(points: Iterable[tuple[float, float]]) -> float:
    told = list(points)
    at, value = (sum(axis) / len(told) for axis in zip(*told, strict=True))
    across = sum((x - at) ** 2 for x, _ in told)
    return sum((x - at) * (y - value) for x, y in told) / across if across else 0.0


if __name__ == "__main__":
    print(json.dumps(run(*map(float, sys.argv[1:])), indent=1))

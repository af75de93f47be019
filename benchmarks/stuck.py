"""What hangs beside the judging, and what it costs the judging: a scrape, a pager, a disk, MQTT.

    calm | stuck   stuck | calm   ...    phases of one monitor's life, so that a pair shares machine and memory

Each phase: clean flow at its pace, and a breach a second; from the event that tips it, readable at the broker, to
its halt, readable there.  Told are medians of the phases and of the ratios of neighbours: 1.05 is the most that is
asked.  The rate is what was judged of the flow; processor time an event shows what a fixed pace hides.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from benchmarks.bed import PARTITIONS, Bed
from benchmarks.latency import (
    EVENTS_PER_S,
    HOP_OUT,
    LIMITS,
    SETUP_S,
    WARM_TRIALS,
    Sight,
    quantile,
    running,
    stamped,
    story,
)
from benchmarks.soak import begin, look

TRIAL_S: Final = 1.0
ANSWER_S_MAX: Final = 10.0
SETTLE_S: Final = 3.0  # what waited goes out, connections are made again: neither calm nor stuck
SCRAPES: Final = 8
NEAR: Final = 0.1
WARM_TRIALS_MAX: Final = 60
SICK: Final = """\
import os, time
_fsync = os.fsync
def sick(file, _flag={flag!r}):
    while os.path.exists(_flag):
        time.sleep(0.05)
    _fsync(file)
os.fsync = sick
"""


def run(seconds: float = 20, pairs: int = 3) -> dict[str, Any]:
    """Each fault in `pairs` of phases of so many seconds."""
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder)) as bed, _pager() as pager:
        bed.kafka.create_topic(HOP_OUT)
        return {
            "asked": 1.05,
            "seconds": seconds,
            "pairs": pairs,
            **{
                name: _life(bed, name, pager, stuck, seconds, pairs)
                for name, stuck in {
                    "scrape": _stuck_scrape, "pager": _stuck_pager, "disk": _stuck_disk, "mqtt": _stuck_mqtt,
                }.items()
            },
        }  # fmt: skip


class Place:
    """What of one monitor may be made to hang."""

    def __init__(self, bed: Bed, pager: Pager, flag: Path, port: int) -> None:
        self.bed, self.pager, self.flag, self.port = bed, pager, flag, port


Stuck = Callable[[Place], AbstractContextManager[None]]


def _life(bed: Bed, name: str, pager: Pager, stuck: Stuck, seconds: float, pairs: int) -> dict[str, Any]:
    topic, servers = f"bench.stuck.{name}", bed.kafka.bootstrap_servers
    bed.kafka.create_topic(topic, PARTITIONS)
    file = bed.configuration(name, limits=LIMITS, topic=topic)
    with file.open("a") as more:
        more.write(f'[pages]\nalertmanager_urls = ["{pager.url}"]\n')
    flag = file.with_name("hung")
    monitor, port = begin(file, SICK.format(flag=str(flag)))
    place = Place(bed, pager, flag, port)
    sight, producer = Sight(bed, topic, name), Producer({"bootstrap.servers": servers, "linger.ms": 0})
    phases: dict[str, list[dict[str, float]]] = {"calm": [], "stuck": []}
    try:
        with running("-m", "benchmarks.latency", "background", servers, topic):
            assert sight.wait("lease", 120), file.with_name("monitor.log").read_text()[-2_000:]
            number = _warmed(producer, topic, sight, monitor, port)
            for which in itertools.chain.from_iterable(map(_pair, range(pairs))):
                time.sleep(SETTLE_S)
                before = look(monitor, port)
                with stuck(place) if which == "stuck" else contextlib.nullcontext():
                    until_s, first = time.monotonic() + seconds, number
                    while time.monotonic() < until_s:
                        _trial(producer, topic, number, sight)
                        number += 1
                    sight.wait(f"halt/{number - 1}", ANSWER_S_MAX)
                    phases[which].append(_phase(before, look(monitor, port), sight, range(first, number)))
    finally:
        sight.close()
        monitor.terminate()
        monitor.wait(30)
    return _compared(phases)


def _pair(number: int) -> tuple[str, str]:
    """In turns, so that what drifts favours neither."""
    return ("stuck", "calm") if number % 2 else ("calm", "stuck")


def _warmed(producer: Producer, topic: str, sight: Sight, monitor: subprocess.Popen[bytes], port: int) -> int:
    """Until the flow is judged at its pace; returns how many trials that took."""
    before = look(monitor, port)
    for number in itertools.count():
        _trial(producer, topic, number, sight)
        after = look(monitor, port)
        rate = (after["events"] - before["events"]) / (after["at_s"] - before["at_s"])
        if number >= WARM_TRIALS and abs(rate / EVENTS_PER_S - 1) < NEAR:
            return number + 1
        assert number < WARM_TRIALS_MAX, f"{rate:.0f} events/s are judged of {EVENTS_PER_S}"
        before = after
    raise AssertionError("counting has no end")


def _trial(producer: Producer, topic: str, number: int, sight: Sight) -> None:
    """One breach, and its halt awaited, for at most the trial's time."""
    began_s = time.monotonic()
    *before, (_, last) = story(number)
    for after_s, record in before:
        time.sleep(max(0.0, began_s + after_s - time.monotonic()))
        producer.produce(topic, stamped(record), partition=0)
        producer.flush(5)
    time.sleep(max(0.0, began_s + SETUP_S - time.monotonic()))
    producer.produce(topic, stamped(last), key=f"tip/{number}", partition=0)
    producer.flush(5)
    sight.wait(f"halt/{number}", TRIAL_S)
    time.sleep(max(0.0, began_s + TRIAL_S - time.monotonic()))


def _phase(
    before: dict[str, float], after: dict[str, float], sight: Sight, numbers: range
) -> dict[str, float]:
    events = after["events"] - before["events"]
    taken = sorted(
        (sight.at[f"halt/{n}"] - sight.at[f"tip/{n}"]) * 1e3 for n in numbers if f"halt/{n}" in sight.at
    )
    return {
        "halts": len(taken),
        "lost": len(numbers) - len(taken),
        "p50_ms": quantile(taken, 0.5),
        "p99_ms": quantile(taken, 0.99),
        "judged_per_s": events / (after["at_s"] - before["at_s"]),
        "cpu_us_an_event": (after["cpu_s"] - before["cpu_s"]) * 1e6 / events,
    }


def _compared(phases: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    figures = ("p50_ms", "p99_ms", "judged_per_s", "cpu_us_an_event")
    return {
        **{
            which: {figure: statistics.median(phase[figure] for phase in found) for figure in figures}
            for which, found in phases.items()
        },
        "halts_lost": sum(phase["lost"] for found in phases.values() for phase in found),
        "ratios": {
            figure: statistics.median(
                stuck[figure] / calm[figure]
                for calm, stuck in zip(phases["calm"], phases["stuck"], strict=True)
            )
            for figure in figures
        },
    }


# -- what hangs


@contextmanager
def _stuck_scrape(place: Place) -> Iterator[None]:
    """Half of them never finish their question, the others never read the answer."""
    with contextlib.ExitStack() as stack:
        for number in range(SCRAPES):
            scraper = stack.enter_context(socket.create_connection(("127.0.0.1", place.port), 5))
            whole = b"GET /metrics HTTP/1.1\r\nHost: stuck\r\n\r\n"
            scraper.sendall(whole if number % 2 else whole[:20])
        yield


@contextmanager
def _stuck_pager(place: Place) -> Iterator[None]:
    place.pager.answering.clear()
    try:
        yield
    finally:
        place.pager.answering.set()


@contextmanager
def _stuck_disk(place: Place) -> Iterator[None]:
    """Each fsync waits until the disk is well again."""
    place.flag.touch()
    try:
        yield
    finally:
        place.flag.unlink()


@contextmanager
def _stuck_mqtt(place: Place) -> Iterator[None]:
    """A broker that stands still: its connections are open, and nobody answers."""
    place.bed.mosquitto.server.freeze()
    try:
        yield
    finally:
        place.bed.mosquitto.server.thaw()


class Pager:
    """An Alertmanager's door: takes every page, or keeps who asks waiting."""

    def __init__(self) -> None:
        self.answering = answering = threading.Event()
        answering.set()

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answering.wait()
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                with contextlib.suppress(OSError):  # who waited too long has gone
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def _pager() -> Iterator[Pager]:
    pager = Pager()
    threading.Thread(target=pager.server.serve_forever, daemon=True).start()
    try:
        yield pager
    finally:
        pager.answering.set()
        pager.server.shutdown()
        pager.server.server_close()

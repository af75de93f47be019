"""What hangs beside the judging, and what it costs the judging: a scrape, a pager, a disk, MQTT.

    one    stuck for a minute | calm               two monitors, each with a pager, a disk and an MQTT broker
    two    calm               | stuck ...          of its own, judge the same events at the same time

Again and again a breach tips both: from the event, readable at the broker, to each one's halt, readable there.  What
the machine does meanwhile falls on both, and which of them it serves first is chance; who is stuck changes in turns,
so that neither's place counts.  Told are the medians of a trial's ratio: 1.05 is the most that is asked.  What a stuck
monitor wastes, its calm neighbour would suffer too: processor time an event is told of each.
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
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from benchmarks.bed import PARTITIONS, Bed
from benchmarks.latency import (
    HOP_OUT,
    LIMITS,
    SETUP_S,
    WARM_TRIALS,
    Sight,
    nine_tenths,
    quantile,
    running,
    stamped,
    story,
)
from benchmarks.soak import begin, look
from tests.real.mosquitto import Mosquitto

EVENTS_PER_S: Final = 2_000  # two monitors, a broker and this process on two cores, and nobody waits for one
TRIAL_S: Final = 1.3  # not a second: what a dead road says of a halt after that would fall on the next one
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


def run(seconds: float = 60, pairs: int = 1) -> dict[str, Any]:
    """Each fault for so many seconds in each of the two, `pairs` times."""
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder)) as bed:
        bed.kafka.create_topic(HOP_OUT)
        return {
            "asked": 1.05,
            "seconds": seconds,
            "pairs": pairs,
            "background_events_per_s": EVENTS_PER_S,
            **{
                name: _fault(bed, name, stuck, seconds, pairs)
                for name, stuck in {
                    "scrape": _stuck_scrape, "pager": _stuck_pager, "disk": _stuck_disk, "mqtt": _stuck_mqtt,
                }.items()
            },
        }  # fmt: skip


@dataclass
class Place:
    """One monitor, and what of it may be made to hang."""

    process: subprocess.Popen[bytes]
    port: int
    sight: Sight
    pager: Pager
    mosquitto: Mosquitto
    flag: Path
    log: Path

    def look(self) -> dict[str, float]:
        """What it says of itself now."""
        return look(self.process, self.port)


@dataclass
class Turn:
    """One monitor stuck, the other calm: of each trial how long both took, and what an event cost them."""

    stuck_ms: list[float]
    calm_ms: list[float]
    stuck_cpu_us: float
    calm_cpu_us: float
    lost: int

    @property
    def ratios(self) -> list[float]:
        return [stuck / calm for stuck, calm in zip(self.stuck_ms, self.calm_ms, strict=True)]


Stuck = Callable[[Place], AbstractContextManager[None]]


def _fault(bed: Bed, name: str, stuck: Stuck, seconds: float, pairs: int) -> dict[str, Any]:
    topic, servers = f"bench.stuck.{name}", bed.kafka.bootstrap_servers
    bed.kafka.create_topic(topic, PARTITIONS)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(_place(bed, f"{name}-{which}", topic)) for which in ("one", "two")]
        stack.enter_context(running("-m", "benchmarks.latency", "background", servers, topic, EVENTS_PER_S))
        number = _warmed(producer, topic, places)
        turns = []
        for turn in range(2 * pairs):
            ill, well = places[turn % 2], places[1 - turn % 2]
            time.sleep(SETTLE_S)
            before = [place.look() for place in (ill, well)]
            with stuck(ill):
                until_s, first = time.monotonic() + seconds, number
                while time.monotonic() < until_s:
                    _trial(producer, topic, number, places)
                    number += 1
                after = [place.look() for place in (ill, well)]
            turns.append(_turn(range(first, number), ill.sight, well.sight, before, after))
    return _said(turns)


def _turn(
    numbers: range, ill: Sight, well: Sight, before: list[dict[str, float]], after: list[dict[str, float]]
) -> Turn:
    """The tip's time is one reader's for both: what remains is what lies between the two halts."""
    seen = [n for n in numbers if f"halt/{n}" in ill.at and f"halt/{n}" in well.at and f"tip/{n}" in well.at]
    stuck_ms, calm_ms = (
        [(sight.at[f"halt/{n}"] - well.at[f"tip/{n}"]) * 1e3 for n in seen] for sight in (ill, well)
    )
    cpu_us = [
        (now["cpu_s"] - was["cpu_s"]) * 1e6 / (now["events"] - was["events"])
        for was, now in zip(before, after, strict=True)
    ]
    return Turn(stuck_ms, calm_ms, *cpu_us, lost=len(numbers) - len(seen))


def _said(turns: list[Turn]) -> dict[str, Any]:
    stuck = [ms for turn in turns for ms in turn.stuck_ms]
    calm = [ms for turn in turns for ms in turn.calm_ms]
    return {
        "trials": len(stuck),
        "lost": sum(turn.lost for turn in turns),
        "stuck_ms": {"p50": statistics.median(stuck), "p99": quantile(sorted(stuck), 0.99)},
        "calm_ms": {"p50": statistics.median(calm), "p99": quantile(sorted(calm), 0.99)},
        "ratio": _ratio([turn.ratios for turn in turns]),
        "ratio_interval": _interval([turn.ratios for turn in turns]),
        "ratio_cpu": statistics.geometric_mean(turn.stuck_cpu_us / turn.calm_cpu_us for turn in turns),
    }


@contextmanager
def _place(bed: Bed, site: str, topic: str) -> Iterator[Place]:
    """A monitor that runs, reading the topic."""
    (folder := bed.folder / f"servers-{site}").mkdir()
    with _pager() as pager, Mosquitto(folder) as mosquitto:
        file = bed.configuration(site, limits=LIMITS, topic=topic)
        ours, theirs = (f"port = {one.port}\n" for one in (mosquitto, bed.mosquitto))
        alertmanager = f'[pages]\nalertmanager_urls = ["{pager.url}"]\n'
        file.write_text(file.read_text().replace(theirs, ours) + alertmanager)
        flag = file.with_name("hung")
        sight = Sight(bed, topic, site)
        process, port = begin(file, SICK.format(flag=str(flag)))
        try:
            yield Place(process, port, sight, pager, mosquitto, flag, file.with_name("monitor.log"))
        finally:
            sight.close()
            process.terminate()
            process.wait(30)


def _warmed(producer: Producer, topic: str, places: list[Place]) -> int:
    """Until both judge the flow at its pace; returns how many trials that took."""
    for place in places:
        assert place.sight.wait("lease", 120), place.log.read_text()[-2_000:]
    before = [place.look() for place in places]
    for number in itertools.count():
        _trial(producer, topic, number, places)
        after = [place.look() for place in places]
        rates = [
            (now["events"] - was["events"]) / (now["at_s"] - was["at_s"])
            for was, now in zip(before, after, strict=True)
        ]
        if number >= WARM_TRIALS and all(abs(rate / EVENTS_PER_S - 1) < NEAR for rate in rates):
            return number + 1
        assert number < WARM_TRIALS_MAX, f"{rates} events/s are judged of {EVENTS_PER_S}"
        before = after
    raise AssertionError("counting has no end")


def _trial(producer: Producer, topic: str, number: int, places: list[Place]) -> None:
    """One breach, and the halts of both awaited, for at most the trial's time."""
    began_s = time.monotonic()
    *before, (_, last) = story(number)
    for after_s, record in before:
        time.sleep(max(0.0, began_s + after_s - time.monotonic()))
        producer.produce(topic, stamped(record), partition=0)
        producer.flush(5)
    time.sleep(max(0.0, began_s + SETUP_S - time.monotonic()))
    producer.produce(topic, stamped(last), key=f"tip/{number}", partition=0)
    producer.flush(5)
    for place in places:
        place.sight.wait(f"halt/{number}", max(0.0, began_s + TRIAL_S - time.monotonic()))
    time.sleep(max(0.0, began_s + TRIAL_S - time.monotonic()))


def _ratio(turns: list[list[float]]) -> float:
    """What all turns say together: a place that is always slower is so once above and once below."""
    return statistics.geometric_mean(statistics.median(ratios) for ratios in turns)


def _interval(turns: list[list[float]]) -> list[float]:
    """Nine tenths of the ratios that these trials, drawn again, would give."""
    return nine_tenths(lambda chance: _ratio([chance.choices(turn, k=len(turn)) for turn in turns]))


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
    place.mosquitto.server.freeze()
    try:
        yield
    finally:
        place.mosquitto.server.thaw()


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

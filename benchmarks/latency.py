"""From an event that is readable at the broker to its halt that is readable there, beside a bare hop.

    hop     aiokafka's consumer reads a record, its producer sends one: nothing is decoded, nothing judged
    ours    `knightwatch run`, a process of its own: the record tips a breach, the halt is signed and sent

Both run at the priority of our systemd unit and read the same four partitions with 10,000 events a second of clean
flow in them, all the time; in turns one record more is for one of them.  This process reads the telemetry and both
answers, and takes the time when it has each in hand; then it acknowledges the halt as a gateway would, or that would
be sent again and again beside the next ones.  A block is a fresh monitor; in each block at most as many halts are open
as it has trials.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import OFFSET_END, Consumer, Producer
from confluent_kafka import TopicPartition as Place

from benchmarks import flow
from benchmarks.bed import GATEWAY, PARTITIONS, ROOT, Bed, spread
from detectors.contract import Level
from detectors.scope import KINDS as STOPPABLE
from detectors.scope import Scope
from monitor.core.roads import COMMANDS, LEASES
from monitor.edge.kafka_in import reader
from monitor.edge.kafka_out.client import producer_of
from monitor.edge.keys import load_signer
from monitor.gateway.latches import NEVER, NO_RATE_CAP, Held
from monitor.gateway.voice import Letter, Voice
from monitor.serve import _settle_garbage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOP_OUT: Final = "bench.hop"
EVENTS_PER_S: Final = 10_000
SLOT_S: Final = 0.005
TURN_S: Final = 0.45  # a trial of ours, then one of the hop's
SETUP_S: Final = 0.5  # parents are done so long before their children
NICE: Final = -10  # as `deploy/systemd` has it
WARM_TRIALS: Final = 6
DRAWS: Final = 2_000
ANSWER_S_MAX: Final = 5.0
WIDE: Final = "1_000_000_000_000"
# Three kinds of breach in turn: three siblings of one kind within 5 s would be one cause, and widen.
LIMITS: Final = (
    '{ scope = "account=*", gross = 5_000_000 }',
    f'{{ scope = "account=N", gross = {WIDE} }}',
    f'{{ scope = "*", gross = {WIDE}, order_notional = 10_000_000 }}',
)
KINDS: Final = ("child_after_done", "gross", "order_notional")


def run(trials: int = 40, blocks: int = 8) -> dict[str, Any]:
    """`trials` of each side in each block."""
    seen: dict[str, list[list[float]]] = {"hop": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder, Bed(Path(folder)) as bed:
        bed.kafka.create_topic(HOP_OUT)
        for block in range(blocks):
            for which, found in _block(bed, f"block-{block}", trials).items():
                seen[which].append(found)
    pooled = {which: sorted(itertools.chain.from_iterable(found)) for which, found in seen.items()}
    said: dict[str, dict[str, Any]] = {
        which: {
            "trials": len(found),
            "p50_ms": quantile(found, 0.5),
            "p99_ms": quantile(found, 0.99),
            "p50_ms_of_blocks": spread(quantile(sorted(one), 0.5) for one in seen[which]),
        }
        for which, found in pooled.items()
    }
    return {
        "background_events_per_s": EVENTS_PER_S,
        "blocks": blocks,
        "partitions": PARTITIONS,
        **said,
        "ratio_p50": said["ours"]["p50_ms"] / said["hop"]["p50_ms"],
        "ratio_p99": said["ours"]["p99_ms"] / said["hop"]["p99_ms"],
        "ratio_p99_interval": interval(seen["ours"], seen["hop"]),
    }


def interval(ours: list[list[float]], hop: list[list[float]]) -> list[float]:
    """Nine tenths of the ratios of p99 that these blocks, drawn again, would give: how far to trust one."""

    def ratio(chance: Random) -> float:
        drawn = chance.choices(range(len(ours)), k=len(ours))
        tails = [quantile(sorted(itertools.chain(*(one[n] for n in drawn))), 0.99) for one in (ours, hop)]
        return tails[0] / tails[1]

    return nine_tenths(ratio)


def nine_tenths(draw: Callable[[Random], float]) -> list[float]:
    """Between which two values nine tenths of what is drawn lie; the same each time."""
    chance = Random(1)
    drawn = sorted(draw(chance) for _ in range(DRAWS))
    return [round(quantile(drawn, share), 3) for share in (0.05, 0.95)]


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least this share is not above."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


class Gateway:
    """Says that it stops what a halt asks for, on Kafka, and stops nothing: no order comes to it."""

    def __init__(self, bed: Bed, site: str) -> None:
        signer = load_signer(bed.folder / "gateway.key")
        self._voice = Voice(signer, GATEWAY, site=site, env="bench", boot=site)
        self._producer = Producer({"bootstrap.servers": bed.kafka.bootstrap_servers, "linger.ms": 0})
        self._say(self._voice.hello([{}], STOPPABLE, list(Level), time.time_ns(), cod=False))

    def applied(self, payload: dict[str, Any]) -> None:
        """Acknowledge it."""
        level = Level[payload["level"].upper()]
        held = Held(payload["halt_id"], Scope(), level, NO_RATE_CAP, NEVER, payload["event_ts"], live=True)
        for letter in self._voice.acks(held, "applied", time.time_ns()):
            self._say(letter)

    def close(self) -> None:
        self._producer.flush(5)

    def _say(self, letter: Letter) -> None:
        self._producer.produce(letter.road.kafka_topic, letter.envelope, key=letter.road.kafka_key)
        self._producer.poll(0)


class Sight:
    """What this process has read, and when it had it in hand; halts are acknowledged after that."""

    def __init__(self, bed: Bed, topic: str, site: str) -> None:
        bootstrap_servers = bed.kafka.bootstrap_servers
        self.at: dict[str, float] = {}  # "tip/3", "halt/3", "hop/3", "lease" -> seconds
        self._site = site
        self._gateway = Gateway(bed, site)
        self._stop = threading.Event()
        wanted = ((topic, 0), (COMMANDS, 0), (LEASES, 0), (HOP_OUT, 0))
        self._threads = [
            threading.Thread(target=self._read, args=(bootstrap_servers, *one)) for one in wanted
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._gateway.close()

    def wait(self, what: str, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while what not in self.at and time.monotonic() < until:
            time.sleep(0.01)
        return what in self.at

    def _read(self, bootstrap_servers: str, topic: str, partition: int) -> None:
        consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": f"bench-{topic}",
                             "enable.auto.commit": False, "fetch.wait.max.ms": 100})  # fmt: skip
        consumer.assign([Place(topic, partition, OFFSET_END)])
        while not self._stop.is_set():
            message = consumer.poll(0.2)
            now = time.perf_counter()
            if message is not None and message.error() is None:
                what = self._what(topic, message)
                if what:
                    self.at.setdefault(what, now)
        consumer.close()

    def _what(self, topic: str, message: Any) -> str:
        if topic in (COMMANDS, LEASES):
            payload = json.loads(base64.b64decode(json.loads(message.value())["payload"]))
            if payload["site"] != self._site:
                return ""
            if topic == LEASES:
                return "lease" if payload["status"] == "judging" else ""
            self._gateway.applied(payload)
            return "halt/" + next(iter(payload["scope"].values()), "firm").rpartition("-")[2]
        return (message.key() or b"").decode()


def _block(bed: Bed, name: str, trials: int) -> dict[str, list[float]]:
    topic, servers = f"bench.telemetry.{name}", bed.kafka.bootstrap_servers
    bed.kafka.create_topic(topic, PARTITIONS)
    configuration = bed.configuration(name, limits=LIMITS, topic=topic)
    sight = Sight(bed, topic, name)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    log = configuration.with_name("monitor.log")
    with (
        running("-m", "benchmarks.latency", "background", servers, topic),
        running("-m", "benchmarks.latency", "hop", servers, topic, nice=NICE),
        running("-c", "from monitor.cli import main; main()", "run", "-c", configuration, log=log, nice=NICE),
    ):
        try:
            assert sight.wait("lease", 120), log.read_text()[-2_000:]
            time.sleep(2)
            lost = [
                number for number in range(trials + WARM_TRIALS) if not _trial(producer, topic, number, sight)
            ]
        finally:
            sight.close()
    unseen = [
        f"{what}/{n}" for n in lost for what in ("tip", "halt", "tap", "hop") if f"{what}/{n}" not in sight.at
    ]
    assert not lost, f"not seen: {', '.join(unseen)}; {log.read_text()[-2_000:]}"
    taken = range(WARM_TRIALS, trials + WARM_TRIALS)
    return {
        "ours": [(sight.at[f"halt/{n}"] - sight.at[f"tip/{n}"]) * 1e3 for n in taken],
        "hop": [(sight.at[f"hop/{n}"] - sight.at[f"tap/{n}"]) * 1e3 for n in taken],
    }


def _trial(producer: Producer, topic: str, number: int, sight: Sight) -> bool:
    """One record for the monitor, then one for the hop; whether both answered."""
    began = time.monotonic()
    *before, last = story(number)
    for after_s, record in before:
        time.sleep(max(0.0, began + after_s - time.monotonic()))
        producer.produce(topic, stamped(record), partition=0)
        producer.flush(5)
    time.sleep(max(0.0, began + SETUP_S - time.monotonic()))
    producer.produce(topic, stamped(last[1]), key=f"tip/{number}", partition=0)
    producer.flush(5)
    time.sleep(max(0.0, began + SETUP_S + TURN_S - time.monotonic()))
    producer.produce(
        topic, stamped({"kind": "error", "host": "t", "reason": "hop"}), key=f"tap/{number}", partition=0
    )
    producer.flush(5)
    # Our own reading of what was told may be the last to arrive.
    return all(sight.wait(f"{what}/{number}", ANSWER_S_MAX) for what in ("halt", "hop", "tip", "tap"))


def stamped(record: dict[str, Any]) -> bytes:
    """As it is told now."""
    return json.dumps({**record, "ts": time.time_ns()}).encode()


def story(number: int) -> list[tuple[float, dict[str, Any]]]:
    """(seconds after the beginning, record); the last one tips it.  Who is accused is this trial's alone."""
    kind = KINDS[number % len(KINDS)]
    order = {"kind": "order_new", "side": "buy", "symbol": "SYM001", "venue": "NYSE", "order_type": "limit",
             "host": "t", "account": "N", "session": "T", "price": 50, "qty": 100}  # fmt: skip
    if kind == "gross":
        return [(0, {**order, "order_id": f"T{number}", "account": f"G-{number}", "qty": 120_000})]
    if kind == "order_notional":
        return [(0, {**order, "order_id": f"T{number}", "session": f"S-{number}", "qty": 700_000})]
    parents = [f"T{number}.{n}" for n in range(3)]
    what = {"account": "N", "symbol": "SYM001", "side": "buy"}
    opened = [
        (0.0, {"kind": "parent_new", "source": "oms", "parent_id": one, **what, "qty": 1_000})
        for one in parents
    ]
    done = [(0.0, {"kind": "parent_done", "source": "oms", "parent_id": one}) for one in parents]
    children = [
        (SETUP_S - 0.05, {**order, "order_id": f"{one}/1", "parent_id": one, "host": f"t-{number}"})
        for one in parents
    ]
    return [*opened, *done, *children]


@contextmanager
def running(*words: object, log: Path | None = None, nice: int = 0) -> Iterator[None]:
    """A process of its own, ended behind us.  A priority above ours needs root."""
    said = log.open("wb") if log else subprocess.DEVNULL
    process = subprocess.Popen(
        ["nice", "-n", str(nice), sys.executable, *map(str, words)],
        cwd=ROOT, stdout=said, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def background(bootstrap_servers: str, topic: str, events_per_s: int = EVENTS_PER_S) -> None:
    """Clean flow at its pace, until somebody ends us."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 1})
    events = flow.events(1 << 40, time.time_ns(), 1_000_000_000 // events_per_s)
    began, told = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * events_per_s)
        for _ in range(due - told):
            key, ts, value = next(events)
            producer.produce(topic, value, partition=key % PARTITIONS, timestamp=ts // 1_000_000)
        told = max(told, due)
        producer.poll(0)
        time.sleep(SLOT_S)


async def hop(bootstrap_servers: str, topic: str) -> None:
    """Consume, then produce: with the monitor's settings, and nothing between."""
    client = {"bootstrap_servers": bootstrap_servers}
    consumer = AIOKafkaConsumer(
        **client,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=reader.FETCH_WAIT_MS,
        max_partition_fetch_bytes=reader.PARTITION_FETCH_BYTES,
    )
    producer = producer_of(client)
    await consumer.start()
    await producer.start()
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    _settle_garbage()
    while True:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                if record.key is not None and record.key.startswith(b"tap/"):
                    await producer.send(HOP_OUT, record.value, key=b"hop" + record.key[3:])


def main(which: str, bootstrap_servers: str, topic: str, events_per_s: str = str(EVENTS_PER_S)) -> None:
    if which == "background":
        background(bootstrap_servers, topic, int(events_per_s))
    else:
        asyncio.run(hop(bootstrap_servers, topic))


if __name__ == "__main__":
    main(*sys.argv[1:])

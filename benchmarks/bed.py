"""What a benchmark stands on: real Kafka and mosquitto, keys, and a configuration with the three families armed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from confluent_kafka import Producer

from benchmarks import flow
from monitor.core.keyring import Role
from monitor.core.roads import ACKS, ALLOWANCES, COMMANDS, LEASES, STATES
from monitor.edge.keys import keygen
from tests.real.kafka import Kafka
from tests.real.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TELEMETRY: Final = "trading.telemetry.v1"
REFERENCE: Final = "trading.reference.v1"
GATEWAY: Final = "gw-1"
FAMILIES: Final = ("child_parent", "exposure", "fill_gap")
PARTITIONS: Final = 4
ROOT: Final = Path(__file__).parent.parent
# As an operator would run it; the fixtures' flags are for lives of some seconds.
JVM: Final = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-Dlog4j2.level=ERROR")
SECOND_NS: Final = 1_000_000_000
# fmt: off
LIMITS: Final = (  # of the contract's example; one order is worth at most $8,000 in our flow
    '{ scope = "account=*", gross = 25_000_000, net = 25_000_000, order_notional = 1_000_000 }',
    '{ scope = "*", gross = 1_000_000_000 }',
)
FIRM: Final = {  # what families must be told of the flow's firm: wide enough for all that it does
    "fleet": f'manifest = [{{ role = "router", hosts = ["smars-*"], count = {flow.HOSTS}, build = "{flow.BUILD}" }}]\n'
             'grants = [{ hosts = ["smars-*"], strategies = ["rlp-*"] }]',
    "loss": 'limit = [{ scope = "account=*", daily = 1_000_000 }, { scope = "*", daily = 10_000_000 }]',
    "rate": 'limit = [{ scope = "session=*", messages_per_s = 5_000 }, { scope = "host=*", messages_per_s = 5_000 },'
            ' { scope = "account=*", messages_per_s = 5_000 }]',
}
# fmt: on


class Bed:
    """One Kafka broker, or three, and one mosquitto, in a folder."""

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self.folder = folder
        self.kafka = Kafka(folder, nodes=nodes, jvm=JVM)
        self.mosquitto = Mosquitto(folder)
        pinned = [
            keygen(folder / "monitor.key", "monitor-1", Role.MONITOR),
            keygen(folder / "gateway.key", GATEWAY, Role.GATEWAY),
        ]
        (folder / "pinned.toml").write_text("\n".join(key.toml for key in pinned))

    def __enter__(self) -> Self:
        self.kafka.__enter__()
        try:
            self.mosquitto.__enter__()
            self.kafka.create_topic(TELEMETRY, PARTITIONS)
            for topic in (REFERENCE, COMMANDS, STATES, LEASES, ACKS, ALLOWANCES):
                self.kafka.create_topic(topic)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.mosquitto.__exit__()
        self.kafka.__exit__()

    def configuration(
        self,
        name: str,
        families: Iterable[str] = FAMILIES,
        limits: Iterable[str] = LIMITS,
        topic: str = TELEMETRY,
    ) -> Path:
        """A configuration of its own site, so that nobody hears the halts of another run."""
        own = self.folder / name
        own.mkdir()
        file = own / "knightwatch.toml"
        servers = (self.kafka.bootstrap_servers, self.mosquitto.host, self.mosquitto.port)
        file.write_text(configuration(own, name, servers, families, limits, keys=self.folder, topic=topic))
        return file


def configuration(
    folder: Path,
    site: str,
    servers: tuple[str, str, int] = ("127.0.0.1:9092", "127.0.0.1", 1883),
    families: Iterable[str] = FAMILIES,
    limits: Iterable[str] = LIMITS,
    keys: Path | None = None,
    topic: str = TELEMETRY,
) -> str:
    kafka, host, port = servers
    own = {**FIRM, "exposure": f"limit = [{', '.join(limits)}]"}
    tables = "".join(f'[detectors.{name}]\nmode = "armed"\n{own.get(name, "")}\n' for name in families)
    return f"""
site = "{site}"
env = "bench"
[kafka]
bootstrap_servers = "{kafka}"
inputs = [{{ topic = "{topic}" }}, {{ topic = "{REFERENCE}", sources = ["market", "oms"] }}]
[mqtt]
host = "{host}"
port = {port}
[keys]
signing_key_file = "{keys or folder}/monitor.key"
pinned_keys_file = "{keys or folder}/pinned.toml"
[audit]
folder = "{folder}/audit"
[snapshot]
folder = "{folder}/snapshot"
[http]
port = 0
[telemetry]
witnesses = ["parent_fill", "order_ack", "drop_copy"]
parented = [{{ hosts = ["smars-*"], strategies = ["*"] }}]
{tables}"""


def fill(bootstrap_servers: str, count: int) -> float:
    """A topic with `count` events that end now, each stamped as if it had come when it happened; bytes an event."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 50, "acks": "all",
                         "queue.buffering.max.messages": 200_000})  # fmt: skip
    start_ns = time.time_ns() - count * flow.STEP_NS
    size = 0
    for key, ts, value in flow.events(count, start_ns):
        size += len(value)
        while True:
            try:
                producer.produce(TELEMETRY, value, partition=key % PARTITIONS, timestamp=ts // 1_000_000)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    left = producer.flush(60)
    assert left == 0, f"{left} records were not delivered"
    return size / count


def side(module: str, *words: object) -> dict[str, Any]:
    """A process of its own; what it prints last is its result."""
    told = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if told.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(map(str, words))}: {told.stderr[-2_000:]}")
    result: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return result


def spread(values: Iterable[float]) -> Mapping[str, float]:
    """Median, lowest and highest."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return {"median": median, "low": ordered[0], "high": ordered[-1]}

"""`knightwatch run` as an operator starts it: a process with its file, keys and folders, and what is heard of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiomqtt
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from monitor.core.authority import Received, receive
from monitor.core.envelope import seal
from monitor.core.keyring import Role
from monitor.core.roads import COMMANDS, road_of
from monitor.edge import keys
from monitor.edge.audit import BadTrail, read
from monitor.gateway import Gate
from tests.real.kafka import Kafka
from tests.real.mosquitto import Mosquitto
from tests.real.ports import free_port
from tests.real.server import Server, alive
from tests.streams import Desk, orders

TELEMETRY, REFERENCE, DEAD = "trading.telemetry.v1", "trading.reference.v1", "risk.dlq.v1"
SITE, ENV, ISSUER, GATEWAY = "demo", "demo", "monitor-1", "gw-1"
PATIENCE_S = 90  # kernels load, two noisy cores; nothing here is a measurement
RUN = "from monitor.cli import main; main()"
KNIGHTWATCH = [sys.executable, "-c", RUN]

CONFIG = """\
site = "{site}"
env = "{env}"
issuer = "{issuer}"
[kafka]
bootstrap_servers = "{kafka}"
{kafka_more}
inputs = [{{ topic = "{telemetry}" }}, {{ topic = "{reference}", kinds = ["mark", "instrument"] }}]
[mqtt]
host = "{mqtt_host}"
port = {mqtt_port}
{mqtt_more}
[keys]
signing_key_file = "{folder}/monitor.key"
pinned_keys_file = "{folder}/pinned.toml"
[audit]
folder = "{audit}"
[snapshot]
folder = "{folder}/snapshot"
[http]
host = "127.0.0.1"
port = {http_port}
[pages]
alertmanager_urls = {alertmanagers}
[telemetry]
witnesses = ["parent_fill", "order_ack", "drop_copy"]
parented = [{{ hosts = ["*"], strategies = ["*"] }}]
[detectors.child_parent]
mode = "armed"
"""


async def until(true: Callable[[], Any], what: str) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        try:
            while not (found := true()):
                await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never: {what}") from None
    return found


@contextlib.contextmanager
def place_of_its_own(folder: Path) -> Iterator[Path]:
    """Where a monitor lives; one that a failed test left running ends with it."""
    folder.mkdir()
    yield folder
    for server in list(alive):
        if server.name == "knightwatch":
            server.close()


class Live:
    """One monitor's files and its process, whose life may be ended and begun again.

    `kafka_by` and `mqtt_by`: where the monitor alone finds the brokers, for a proxy between them.
    `within`: a command that executes the one behind it, for a place of its own.
    `kafka_more` belongs to the configuration's [kafka], `more` follows at its end, `environment` is the process's.
    """

    def __init__(
        self,
        folder: Path,
        kafka: str,
        mosquitto: Mosquitto | None,
        *,
        alertmanager: str = "",
        audit: Path | None = None,
        issuer: str = ISSUER,
        kafka_by: str = "",
        mqtt_by: int = 0,
        mqtt_host: str = "localhost",
        within: Sequence[str] = (),
        kafka_more: str = "",
        more: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.kafka, self.mosquitto, self.issuer = folder, kafka, mosquitto, issuer
        self._within = within
        self.http_port = free_port()
        self.audit = audit or folder / "audit"
        pinned = [keys.keygen(folder / "monitor.key", issuer, Role.MONITOR)]
        pinned += [keys.keygen(folder / "gateway.key", GATEWAY, Role.GATEWAY)]
        (folder / "pinned.toml").write_text("\n".join(key.toml for key in pinned))
        self.keyring = keys.load_keyring(folder / "pinned.toml")
        self.gateway = keys.load_signer(folder / "gateway.key")
        login = ""
        if mosquitto is not None and mosquitto.guard is not None:
            (folder / "password").write_text(mosquitto.guard.users["monitor"])
            (folder / "password").chmod(0o600)
            login = (
                f'tls = true\nca_file = "{mosquitto.ca_pem}"\nusername = "monitor"\n'
                f'password_file = "{folder}/password"'
            )
        self.config = folder / "knightwatch.toml"
        self.config.write_text(
            CONFIG.format(
                site=SITE, env=ENV, issuer=issuer, kafka=kafka_by or kafka, telemetry=TELEMETRY,
                reference=REFERENCE, mqtt_port=mqtt_by or (mosquitto.port if mosquitto else free_port()),
                kafka_more=kafka_more, mqtt_host=mqtt_host, mqtt_more=login, folder=folder, audit=self.audit, http_port=self.http_port,
                alertmanagers=json.dumps([alertmanager] * bool(alertmanager)),
            )
            + more
        )  # fmt: skip
        self.server = Server("knightwatch", [*KNIGHTWATCH, "run", "-c", self.config], folder, environment)
        self.desk = Desk(now=time.time_ns())
        self.told = 0

    # -- its life

    def pin(self, other: Live) -> None:
        """Believe another monitor as well."""
        pinned = self.folder / "pinned.toml"
        pinned.write_text(pinned.read_text() + "\n" + (other.folder / "monitor.key.pub").read_text())
        self.keyring = keys.load_keyring(pinned)

    async def start(self, *, planted: str = "") -> None:
        """`planted`: statements that the process executes before it is a monitor."""
        command = [*self._within, sys.executable, "-c", f"{planted}\n{RUN}", "run", "-c", str(self.config)]
        self.server.command = command
        self.server.start()
        await self.server.ready_when(lambda: self.get("/readyz") == 200)

    def get(self, path: str) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", timeout=2).status_code
        except httpx.TransportError:
            return 0

    def metrics(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.http_port}/metrics", timeout=5).text

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        rows = (line.rsplit(" ", 1) for line in self.metrics().splitlines() if line.startswith(name))
        return sum(float(value) for label, value in rows if label.split("{")[0] == name)

    async def terminate(self) -> int:
        os.kill(self.server.pid, signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        process = self.server._process
        assert process is not None
        await until(lambda: process.poll() is not None, "it ends")
        return process.returncode

    # -- what it is told

    async def send(self, words: str) -> int:
        """Tell the telemetry topic what happens; returns how many events."""
        self.desk.now = max(self.desk.now, time.time_ns())
        orders(words, self.desk)
        fresh = self.desk.events()[self.told :]
        self.told += len(fresh)
        values = [{name: value for name, value in told.items() if name != "arrival_ts"} for told in fresh]
        await self.send_raw(json.dumps(value).encode() for value in values)
        return len(fresh)

    async def send_raw(self, values: Iterable[bytes], partition: int = 0) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(TELEMETRY, value, partition=partition)
        finally:
            await producer.stop()

    def ack(self, halt: dict[str, Any], state: str = "applied") -> tuple[str, bytes]:
        now_ns = time.time_ns()
        payload = {
            "v": 1, "type": "ack", "site": SITE, "env": ENV, "issuer": GATEWAY, "boot": "b", "seq": 1,
            "issued_at": now_ns, "halt_id": halt["halt_id"], "gateway": GATEWAY, "state": state,
            "level": halt["level"], "ts": now_ns,
        }  # fmt: skip
        return road_of(payload).mqtt_topic, seal(payload, [self.gateway])

    # -- what it says

    def opened(self, raw: bytes) -> dict[str, Any]:
        """A payload whose signature, form and authority hold."""
        said = receive(raw, self.keyring, SITE, ENV)
        assert isinstance(said, Received), said
        return dict(said.payload)

    async def records(self, topic: str) -> list[Any]:
        """All that a topic holds now."""
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = await until(consumer.assignment, f"{topic} is assigned")
            ends = await consumer.end_offsets(parts)
            found = []
            async with asyncio.timeout(PATIENCE_S):
                while any([await consumer.position(part) < ends[part] for part in parts]):
                    for got in (await consumer.getmany(timeout_ms=200)).values():
                        found += got
            return found
        finally:
            stopping = asyncio.ensure_future(consumer.stop())  # may be cancelled by its own tasks
            await asyncio.wait({stopping}, timeout=PATIENCE_S)

    def lines(self, what: str) -> list[Mapping[str, Any]]:
        """What lines of that name in the trail say, as far as the disk has them."""
        found: list[Mapping[str, Any]] = []
        with contextlib.suppress(BadTrail):  # its last line is being written
            found.extend(line.fields for line in read([self.audit]) if line.what == what)
        return found

    def pages(self, words: str) -> list[str]:
        """Summaries of the pages that say these words."""
        return [
            page["summary"]
            for page in self.lines("page.commanded")
            if words in page["summary"] and not page.get("resolved")
        ]

    async def halts(self) -> list[dict[str, Any]]:
        """Every halt on the Kafka road, verified."""
        return [self.opened(record.value) for record in await self.records(COMMANDS) if record.value]

    async def first_halt(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await self.halts()):
                await asyncio.sleep(0.2)
        return found[0]


@contextlib.asynccontextmanager
async def monitor_on(
    kafka: Kafka,
    mosquitto: Mosquitto,
    folder: Path,
    *,
    partitions: int = 1,
    replicas: int | None = None,
    topic: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Live]:
    """The topics made, and a monitor of its own folder that reads them; at the end it goes when it is asked to.

    `topic`: settings of the telemetry's; `options` are `Live`'s.
    """
    kafka.create_topic(TELEMETRY, partitions, replicas=replicas, config=topic)
    kafka.create_topic(REFERENCE)
    with place_of_its_own(folder) as place:
        live = Live(place, kafka.bootstrap_servers, mosquitto, **options)
        await live.start()
        yield live
        assert await live.terminate() == 143


class Listener:
    """A gateway's end of the MQTT road: every verified message, with when it came; connects again by itself.

    `heard` are (monotonic seconds, payload); `gate` hears all of it too.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self.gate = Gate(GATEWAY, site=SITE, env=ENV, keyring=live.keyring, now_ns=time.time_ns())

    async def __aenter__(self) -> Self:
        self._connected = asyncio.Event()
        self._task = asyncio.create_task(self._listen())
        waiting = asyncio.create_task(self._connected.wait())
        await asyncio.wait({self._task, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert self._connected.is_set(), self._task
        return self

    async def __aexit__(self, *how: object) -> None:
        if self._task.done():
            self._task.result()  # something came that could not be verified
        self._task.cancel()
        await asyncio.wait({self._task})

    def _login(self, mosquitto: Mosquitto) -> dict[str, Any]:
        guard = mosquitto.guard
        if guard is None:
            return {}
        return {
            "username": GATEWAY,
            "password": guard.users[GATEWAY],
            "tls_context": guard.client_context(),
        }

    async def _listen(self) -> None:
        mosquitto = self._live.mosquitto
        assert mosquitto is not None
        while True:
            try:
                async with aiomqtt.Client(
                    "localhost", mosquitto.port, **self._login(mosquitto)
                ) as self.client:
                    for what in ("halt/+", "state/#", "lease/+"):
                        await self.client.subscribe(f"risk/v1/{SITE}/{what}", qos=1)
                    self._connected.set()
                    async for message in self.client.messages:
                        if message.payload:
                            self._hear(bytes(message.payload))
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    def _hear(self, raw: bytes) -> None:
        self.heard.append((time.monotonic(), self._live.opened(raw)))
        self.gate.hear(raw, time.time_ns())

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [payload for _, payload in self.since(0, kind, **fields)]

    def since(self, at_s: float, kind: str, **fields: Any) -> list[tuple[float, dict[str, Any]]]:
        """What was heard after a moment, of a kind, with these fields."""
        return [
            (heard_s, payload)
            for heard_s, payload in self.heard
            if heard_s > at_s
            and payload["type"] == kind
            and all(payload.get(name) == value for name, value in fields.items())
        ]

    async def next(self, at_s: float, kind: str, **fields: Any) -> tuple[float, dict[str, Any]]:
        """The first such message after a moment: how many seconds later, and what it said."""
        what = f"{kind} {fields}"
        heard_s, payload = (await until(lambda: self.since(at_s, kind, **fields), what))[0]
        return heard_s - at_s, payload

    def longest_silence_s(self, at_s: float, kind: str, **fields: Any) -> float:
        """Between two such messages after a moment."""
        times = [heard_s for heard_s, _ in self.since(at_s, kind, **fields)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

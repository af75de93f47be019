"""`knightwatch run` as an operator starts it: a process with its file, keys and folders, and what is heard of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
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
from tests.real.mosquitto import Mosquitto
from tests.real.ports import free_port
from tests.real.server import Server, alive
from tests.streams import Desk, orders

TELEMETRY, REFERENCE, DEAD = "trading.telemetry.v1", "trading.reference.v1", "risk.dlq.v1"
SITE, ENV, ISSUER, GATEWAY = "demo", "demo", "monitor-1", "gw-1"
PATIENCE_S = 90  # kernels load, two noisy cores; nothing here is a measurement
KNIGHTWATCH = [sys.executable, "-c", "from monitor.cli import main; main()"]

CONFIG = """\
site = "{site}"
env = "{env}"
issuer = "{issuer}"
[kafka]
bootstrap_servers = "{kafka}"
inputs = [{{ topic = "{telemetry}" }}, {{ topic = "{reference}", kinds = ["mark", "instrument"] }}]
[mqtt]
host = "localhost"
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
    """One monitor's files and its process, whose life may be ended and begun again."""

    def __init__(
        self,
        folder: Path,
        kafka: str,
        mosquitto: Mosquitto | None,
        *,
        alertmanager: str = "",
        audit: Path | None = None,
    ) -> None:
        self.folder, self.kafka, self.mosquitto = folder, kafka, mosquitto
        self.http_port = free_port()
        self.audit = audit or folder / "audit"
        pinned = [keys.keygen(folder / "monitor.key", ISSUER, Role.MONITOR)]
        pinned += [keys.keygen(folder / "gateway.key", GATEWAY, Role.GATEWAY)]
        (folder / "pinned.toml").write_text("\n".join(key.toml for key in pinned))
        self.keyring = keys.load_keyring(folder / "pinned.toml")
        self.gateway = keys.load_signer(folder / "gateway.key")
        more = ""
        if mosquitto is not None and mosquitto.guard is not None:
            (folder / "password").write_text(mosquitto.guard.users["monitor"])
            (folder / "password").chmod(0o600)
            more = (
                f'tls = true\nca_file = "{mosquitto.ca_pem}"\nusername = "monitor"\n'
                f'password_file = "{folder}/password"'
            )
        self.config = folder / "knightwatch.toml"
        self.config.write_text(
            CONFIG.format(
                site=SITE, env=ENV, issuer=ISSUER, kafka=kafka, telemetry=TELEMETRY, reference=REFERENCE,
                mqtt_port=mosquitto.port if mosquitto else free_port(), mqtt_more=more, folder=folder,
                audit=self.audit, http_port=self.http_port, alertmanagers=json.dumps([alertmanager] * bool(alertmanager)),
            )
        )  # fmt: skip
        self.server = Server("knightwatch", [*KNIGHTWATCH, "run", "-c", self.config], folder)
        self.desk = Desk(now=time.time_ns())
        self.told = 0

    # -- its life

    async def start(self) -> None:
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
        process = self.server._process
        assert process is not None
        await until(lambda: process.poll() is not None, "it ends when asked to")
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

    async def halts(self) -> list[dict[str, Any]]:
        """Every halt on the Kafka road, verified."""
        return [self.opened(record.value) for record in await self.records(COMMANDS) if record.value]

    async def first_halt(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await self.halts()):
                await asyncio.sleep(0.2)
        return found[0]


class Listener:
    """A gateway's end of the MQTT road: every verified message, with when it came."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.heard: list[tuple[float, dict[str, Any]]] = []

    async def __aenter__(self) -> Self:
        mosquitto = self._live.mosquitto
        assert mosquitto is not None
        guard = mosquitto.guard
        login = (
            {}
            if guard is None
            else {
                "username": GATEWAY,
                "password": guard.users[GATEWAY],
                "tls_context": guard.client_context(),
            }
        )
        self.client = await aiomqtt.Client("localhost", mosquitto.port, **login).__aenter__()
        for what in ("halt/+", "state/#", "lease/+"):
            await self.client.subscribe(f"risk/v1/{SITE}/{what}", qos=1)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *how: object) -> None:
        if self._task.done():
            self._task.result()  # something came that could not be verified
        self._task.cancel()
        await self.client.__aexit__(None, None, None)

    async def _listen(self) -> None:
        async for message in self.client.messages:
            if message.payload:
                self.heard.append((time.monotonic(), self._live.opened(bytes(message.payload))))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [payload for _, payload in self.heard if payload["type"] == kind]

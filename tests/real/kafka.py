"""Apache Kafka in KRaft mode on loopback: one node, or three that replicate everything and fail over in 2.5 s.

A node has three listeners: the one that clients and other nodes use, its controller's, and one that tells clients
to come back through a fault proxy (`Kafka.proxy`).  With an authority it has a fourth, where both sides show their
certificates (`tls_servers`).  Administration goes through librdkafka's client, which is not the one under test.
"""

import asyncio
import functools
import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import trustme
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.real.parts import HERE, KAFKA_JARS, program
from tests.real.ports import free_port
from tests.real.proxy import Proxy
from tests.real.server import READY_SECONDS_MAX, Server, listens

ADMIN_SECONDS_MAX = 15
QUIET_JVM = (
    *(
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
    ),  # a short life: compiling well would cost more than it gives
    f"-Dlog4j2.configurationFile={HERE / 'kafka-log4j2.properties'}",
)
# What a monitor deserves: a leader killed with -9 is replaced in 2.5 s instead of 11.8.
QUICK_FAILOVER = {
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
}
# Both sides show who they are; files by name in the node's own folder.
SECURED = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": "server.pem",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": "ca.pem",
    "ssl.client.auth": "required",
}


class Kafka:
    """`settings` go into every node's server.properties; `jvm` replaces the flags of a test, for a benchmark."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 1,
        settings: Mapping[str, str] | None = None,
        jvm: tuple[str, ...] = QUIET_JVM,
        authority: trustme.CA | None = None,
    ) -> None:
        self.nodes = tuple(range(1, nodes + 1))
        self._folder = folder
        self._settings = settings or {}
        self._jvm = jvm
        self._ports = {node: free_port() for node in self.nodes}
        self._controllers = {node: free_port() for node in self.nodes}
        self._fronts = {node: free_port() for node in self.nodes}
        self._behinds = {node: free_port() for node in self.nodes}
        self._secured = {node: free_port() for node in self.nodes if authority is not None}
        self.servers = {node: self._server(node) for node in self.nodes}
        self._admin: AdminClient | None = None
        if authority is not None:
            self.certify(authority)

    def certify(self, authority: trustme.CA) -> None:
        """Other certificates, of this authority, and only its clients: from the next start of a node on."""
        shown = authority.issue_cert("localhost", "127.0.0.1")
        key = load_pem_private_key(shown.private_key_pem.bytes(), None)
        pkcs8 = key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )  # the one form that it reads
        for server in self.servers.values():
            authority.cert_pem.write_to_path(server.folder / "ca.pem")
            chain = b"".join(blob.bytes() for blob in shown.cert_chain_pems)
            (server.folder / "server.pem").write_bytes(pkcs8 + chain)

    @property
    def tls_servers(self) -> str:
        return ",".join(f"localhost:{port}" for port in self._secured.values())

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        cluster = uuid.uuid4().hex[:22]
        formats = []
        for node in self.nodes:
            home = self.servers[node].folder
            (home / "server.properties").write_text(
                "".join(f"{key}={value}\n" for key, value in self._properties(node).items())
            )
            formats.append(
                subprocess.Popen(
                    self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties"),
                    cwd=home,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
        for formatting in formats:
            said, _ = formatting.communicate(timeout=READY_SECONDS_MAX)
            if formatting.returncode != 0:
                raise RuntimeError(f"StorageTool format: {said.decode()}")
        for server in self.servers.values():
            server.start()
        for node, server in self.servers.items():
            server.wait_until(functools.partial(self._sees_itself, node))

    def close(self) -> None:
        self._admin = None
        for server in self.servers.values():
            server.close()
            shutil.rmtree(server.folder / "data", ignore_errors=True)

    def kill9(self, node: int) -> None:
        self.servers[node].kill9()

    def freeze(self, node: int) -> None:
        self.servers[node].freeze()

    def thaw(self, node: int) -> None:
        self.servers[node].thaw()

    async def restart(self, node: int) -> None:
        """After `kill9`, with what is on its disk; returns when it is a member again."""
        self.servers[node].start()
        await self.servers[node].ready_when(lambda: self._sees_itself(node))

    def proxy(self, node: int = 1) -> Proxy:
        """Not yet open; a client that bootstraps from it stays behind it for this node."""
        return Proxy(self._behinds[node], port=self._fronts[node])

    def create_topic(
        self,
        topic: str,
        partitions: int = 1,
        *,
        replicas: int | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """On every node, if `replicas` does not say otherwise; returns when each partition has a leader."""
        new = NewTopic(topic, partitions, replicas or len(self.nodes), config=dict(config or {}))
        self._admin_client().create_topics([new], operation_timeout=ADMIN_SECONDS_MAX)[topic].result(
            ADMIN_SECONDS_MAX
        )
        self.servers[self.nodes[0]].wait_until(lambda: self._leaders(topic).count(True) == partitions)

    def add_partitions(self, topic: str, total: int) -> None:
        new = NewPartitions(topic, total)
        self._admin_client().create_partitions([new])[topic].result(ADMIN_SECONDS_MAX)

    async def reassign(self, topic: str, partition: int, replicas: list[int]) -> None:
        """As an administrator does, by Kafka's own program; returns when no other node has that partition."""
        moved = {"topic": topic, "partition": partition, "replicas": replicas}
        plan = self._folder / "reassignment.json"
        plan.write_text(json.dumps({"version": 1, "partitions": [moved]}))
        tool = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
        words = ["--bootstrap-server", self.bootstrap_servers, "--reassignment-json-file", str(plan)]
        done = await asyncio.to_thread(
            subprocess.run, self._java(tool, *words, "--execute"), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        async with asyncio.timeout(READY_SECONDS_MAX):
            while set((await asyncio.to_thread(self._partition, topic, partition)).replicas) != set(replicas):
                await asyncio.sleep(0.1)

    async def in_sync_are(self, topic: str, partition: int, nodes: set[int]) -> None:
        async with asyncio.timeout(READY_SECONDS_MAX):
            while await asyncio.to_thread(self.in_sync, topic, partition) != nodes:
                await asyncio.sleep(0.1)

    def data(self, node: int) -> Path:
        """Where its logs lie."""
        return self.servers[node].folder / "data"

    def delete_topic(self, topic: str) -> None:
        self._admin_client().delete_topics([topic], operation_timeout=ADMIN_SECONDS_MAX)[topic].result(
            ADMIN_SECONDS_MAX
        )

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """As retention does: what lies before that offset is gone."""
        first = TopicPartition(topic, partition, before)
        for done in self._admin_client().delete_records([first]).values():
            done.result(ADMIN_SECONDS_MAX)

    def leader_of(self, topic: str, partition: int) -> int:
        """The node that leads now, -1 when none does."""
        return int(self._partition(topic, partition).leader)

    def in_sync(self, topic: str, partition: int) -> set[int]:
        return set(self._partition(topic, partition).isrs)

    async def leader_moved(self, topic: str, partition: int, away_from: int) -> int:
        """Waits for another leader than that node, and returns it."""
        async with asyncio.timeout(READY_SECONDS_MAX):
            while (leader := await asyncio.to_thread(self.leader_of, topic, partition)) in {away_from, -1}:
                await asyncio.sleep(0.05)
        return leader

    def _partition(self, topic: str, partition: int) -> Any:
        return (
            self._admin_client()
            .list_topics(topic, timeout=ADMIN_SECONDS_MAX)
            .topics[topic]
            .partitions[partition]
        )

    def _leaders(self, topic: str) -> list[bool]:
        found = self._admin_client().list_topics(topic, timeout=ADMIN_SECONDS_MAX).topics[topic]
        return [partition.leader >= 0 for partition in found.partitions.values()]

    def _sees_itself(self, node: int) -> bool:
        """Asked at its own door: it has read of itself in the controllers' log."""
        if not listens(self._ports[node]):
            return False
        try:
            return node in _admin(f"127.0.0.1:{self._ports[node]}").list_topics(timeout=2).brokers
        except KafkaException:
            return False

    def _admin_client(self) -> AdminClient:
        if self._admin is None:
            self._admin = _admin(self.bootstrap_servers)
        return self._admin

    def _server(self, node: int) -> Server:
        folder = self._folder / f"kafka-{node}"
        folder.mkdir(parents=True)
        return Server(f"kafka-{node}", self._java("kafka.Kafka", "server.properties"), folder)

    def _java(self, *words: str) -> list[str]:
        return [program("java"), *self._jvm, "-cp", f"{KAFKA_JARS}/*", *words]

    def _properties(self, node: int) -> dict[str, str]:
        copies = len(self.nodes)
        return {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": ",".join(
                f"{n}@127.0.0.1:{port}" for n, port in self._controllers.items()
            ),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SECURED:SSL",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._doors(node).items()),
            "advertised.listeners": ",".join(
                f"{name}://{'localhost' if name == 'SECURED' else '127.0.0.1'}:{port}"
                for name, port in (self._doors(node) | {"PROXIED": self._fronts[node]}).items()
                if name != "CONTROLLER"
            ),
            **(SECURED if self._secured else {}),
            "log.dirs": "data",
            "auto.create.topics.enable": "false",  # a forgotten topic shall be an error
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(min(copies, 2)),
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(min(copies, 2)),
            "group.initial.rebalance.delay.ms": "0",
            **QUICK_FAILOVER,
            **self._settings,
        }

    def _doors(self, node: int) -> dict[str, int]:
        doors = {"PLAINTEXT": self._ports[node], "PROXIED": self._behinds[node]}
        doors |= {"SECURED": self._secured[node]} if self._secured else {}
        return doors | {"CONTROLLER": self._controllers[node]}


def _admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "log_level": 0,  # tests kill brokers; each refused connection needs no line
            "reconnect.backoff.max.ms": 200,
            "socket.timeout.ms": 3000,
            "topic.metadata.refresh.interval.ms": 1000,
        }
    )

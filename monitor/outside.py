"""Everything outside the process that a live monitor touches, made in one place.

The monitor asks for what it needs and never for how it is made; the seeded world of the tests gives it
brokers, disks and a clock of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from monitor.core.roads import ACKS, ALLOWANCES, COMMANDS, COMPACTED, LEASES
from monitor.edge import login
from monitor.edge.allocator import map_tables_apart
from monitor.edge.audit import AuditTrail, Keeping, TrailProblem
from monitor.edge.clock import Clock
from monitor.edge.http import Http
from monitor.edge.kafka_fetch import fetch
from monitor.edge.kafka_in import KafkaIn, Source
from monitor.edge.kafka_out import DeadLetters, KafkaOut, make_topics
from monitor.edge.kafka_out import Outcome as KafkaOutcome
from monitor.edge.mqtt_out import Broker, Message, MqttOut
from monitor.edge.mqtt_out import Outcome as MqttOutcome
from monitor.edge.pager import Alertmanager, Webhook
from monitor.edge.pager import Outcome as PageOutcome
from monitor.edge.resolver import addresses_of
from monitor.edge.store import Store
from monitor.edge.suspects import Suspects
from monitor.settings import Config, ConfigError, Problem
from monitor.settings.secrets import kafka_password, mqtt_password, webhook_url
from monitor.warm import warm_up

if TYPE_CHECKING:
    from monitor.core.inputs import LinkChanged
    from monitor.core.keyring import Signer

DEAD_LETTERS: Final = "risk.dlq.v1"
REACH_S: Final = 8.0  # a broker that does not answer for so long is not there
MIB: Final = 1024 * 1024

OnLink = Callable[["LinkChanged"], None]


class Unreachable(Exception):  # a fact about the world, not a fault of ours
    """A server that is needed to start does not answer: its address, and what was tried."""


class Outside:
    """The real one: Kafka, MQTT, disks, pagers, the machine's clock."""

    def __init__(self, config: Config, boot: str) -> None:
        """Raises `ConfigError` if the keys and passwords to it cannot be read."""
        self._config = config
        self._kafka, self._mqtt = _clients(config, boot)
        self.clock = Clock()

    async def reach(self) -> None:
        """Have the kernels ready and one answer from a broker, or raise `Unreachable`."""
        map_tables_apart()
        await asyncio.to_thread(warm_up, self._config.detectors)
        address = self._config.kafka.bootstrap_servers
        asked = AIOKafkaClient(**self._kafka, request_timeout_ms=3_000)
        try:
            async with asyncio.timeout(REACH_S):
                await asked.bootstrap()
        except (KafkaError, OSError, TimeoutError) as broken:
            why = str(broken) or type(broken).__name__
            raise Unreachable(
                f"no Kafka broker answers at {address} within {REACH_S:.0f} s: {why}; "
                "start it, or name yours in [kafka] bootstrap_servers"
            ) from broken
        finally:
            await asyncio.wait({asyncio.ensure_future(asked.close())}, timeout=2.0)

    async def make_topics(self) -> Mapping[str, str]:
        return await make_topics(self._kafka, COMPACTED, [LEASES, ACKS, ALLOWANCES, DEAD_LETTERS])

    def open_audit(self, signer: Signer) -> AuditTrail:
        audit = self._config.audit
        keeping = Keeping(file_bytes_max=audit.rotate_mib * MIB, keep_days=audit.keep_days)
        try:
            return AuditTrail(audit.folder, at_ns=self.clock.now_ns(), signer=signer, keeping=keeping)
        except TrailProblem as wrong:
            raise ConfigError(
                self._config.source, [Problem("audit.folder", str(wrong), "write a folder of our own")]
            ) from wrong

    def open_store(self) -> Store:
        return Store(self._config.snapshot.folder)

    def open_suspects(self) -> Suspects:
        """What the last process crashed on, if it did."""
        return Suspects(self._config.snapshot.folder)

    def open_http(
        self, exposition: Callable[[], bytes], not_ready: Callable[[], list[str]]
    ) -> tuple[Http, int]:
        """The page's server, and the port that it got."""
        asked = self._config.http
        http = Http(asked.host, asked.port, exposition=exposition, not_ready=not_ready)
        try:
            return http, http.bind()
        except OSError as taken:
            where = f"{asked.host}:{asked.port}"
            raise ConfigError(
                self._config.source,
                [Problem("http.port", f"{where}: {taken.strerror}", "write a free port, or 0")],
            ) from taken

    def kafka_in(self, sources: Sequence[Source], link: str = "kafka", **start: Any) -> KafkaIn:
        return KafkaIn(self._kafka, sources, now_ns=self.clock.now_ns, link=link, **start)

    def kafka_out(self, on_link: OnLink, on_delivered: Callable[[str, str, KafkaOutcome], None]) -> KafkaOut:
        return KafkaOut(
            self._kafka,
            now_ns=self.clock.now_ns,
            on_link=on_link,
            on_delivered=on_delivered,
            at_once=[COMMANDS],
        )

    def mqtt(
        self,
        topics: Sequence[str],
        on_link: OnLink,
        on_delivered: Callable[[str, MqttOutcome], None],
        will: Callable[[], Message],
        present: Callable[[], Iterable[Message]],
        on_unheard: Callable[[], None],
    ) -> MqttOut:
        return MqttOut(
            self._mqtt, topics, now_ns=self.clock.now_ns, on_link=on_link, on_delivered=on_delivered,
            will=will, present=present, on_unheard=on_unheard,
        )  # fmt: skip

    def dead_letters(self, on_settled: Callable[[int, KafkaOutcome], None]) -> DeadLetters:
        return DeadLetters(self._kafka, DEAD_LETTERS, on_settled=on_settled)

    def pagers(self, on_settled: Callable[[str, str, PageOutcome], None]) -> list[Alertmanager | Webhook]:
        """Those that are configured; each says what became of a page as (road, key, outcome)."""
        now_ns, found = self.clock.now_ns, list[Alertmanager | Webhook]()
        urls, hook = self._config.pages.alertmanager_urls, webhook_url(self._config)
        if urls:
            found.append(
                Alertmanager(
                    urls, now_ns=now_ns, on_settled=lambda k, came: on_settled("alertmanager", k, came)
                )
            )
        if hook is not None:
            found.append(
                Webhook(hook, now_ns=now_ns, on_settled=lambda k, came: on_settled("webhook", k, came))
            )
        return found

    async def fetch(self, ranges: Sequence[tuple[str, int, int, int]]) -> list[tuple[str, int, int, bytes]]:
        """Records of (topic, partition, first, last) once more."""
        return await fetch(self._kafka, ranges)


def _clients(config: Config, boot: str) -> tuple[dict[str, Any], Broker]:
    """How both brokers are spoken to."""
    mqtt = config.mqtt
    try:
        kafka = login.kafka_client(
            config.kafka, kafka_password(config), client_id=f"knightwatch-{config.issuer}"
        )
        tls = login.mqtt_tls(mqtt)
    except OSError as wrong:
        raise ConfigError(
            config.source, [Problem("kafka or mqtt", str(wrong), "name PEM files that belong together")]
        ) from wrong
    name = mqtt.client_id or f"knightwatch-{config.issuer}-{boot[:8]}"
    password = mqtt_password(config)
    return kafka, Broker(mqtt.host, mqtt.port, name, mqtt.username, password, tls, addresses_of)

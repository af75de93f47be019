"""Our certificates and authorities end on a day that everybody knew: it is said two weeks before.

    a file's last day  ->  gauge of the seconds left, LinkChanged("certificate ...")  ->  page

A certificate that ends soon blinds nobody yet.  When it has ended and its link breaks, the link's own word
names it with its date.  Files are read again and again: one that was rotated is believed without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from monitor.core.doubt import CERTIFICATE
from monitor.core.inputs import Input, LinkChanged
from monitor.edge.certificates import NS_PER_S, date_of, not_after_ns
from monitor.edge.metrics import Metrics
from monitor.settings import Config
from monitor.settings.sections import Kafka, Mqtt

if TYPE_CHECKING:
    from monitor.edge.clock import Clock

LOOK_EVERY_S: Final = 10.0
WARNED_DAYS: Final = 14
WARNED_NS: Final = WARNED_DAYS * 86_400 * NS_PER_S
AUTHORITY: Final = "authority"
CLIENT: Final = "client"


@dataclass(frozen=True, slots=True)
class File:
    """One PEM file that a link needs."""

    link: str  # kafka, mqtt
    role: str  # client, authority
    path: Path

    @property
    def name(self) -> str:
        """As the engine knows it."""
        return f"{CERTIFICATE}{self.link} {self.role}"


class Certifying:
    """Watches the files that the configuration names; the system's own authorities are its vendor's care."""

    def __init__(self, config: Config, clock: Clock, metrics: Metrics, tell: Callable[[Input], None]) -> None:
        self._files = tuple(files_of(config))
        self._clock = clock
        self._metrics = metrics
        self._tell = tell
        self._ends_ns: dict[File, int] = {}
        self._is_well = dict.fromkeys(self._files, True)

    async def run(self) -> None:
        """For ever."""
        while True:
            for file in self._files:
                self._judge(file, await asyncio.to_thread(_read, file, self._clock.now_ns()))
            await asyncio.sleep(LOOK_EVERY_S)

    def _judge(self, file: File, found: int | str) -> None:
        now_ns = self._clock.now_ns()
        if isinstance(found, str):
            self._ends_ns.pop(file, None)
            is_well, why = False, found
        else:
            self._ends_ns[file] = found
            self._metrics.certificate_ends(file.link, file.role, found)
            is_well, why = found - now_ns > WARNED_NS, _words(file, found, now_ns)
        if is_well is not self._is_well[file]:
            self._is_well[file] = is_well
            self._tell(LinkChanged(file.name, is_well, now_ns, why))

    def explained(self, changed: LinkChanged) -> LinkChanged:
        """A link that broke, with those of its certificates that have ended."""
        if changed.up:
            return changed
        now_ns = self._clock.now_ns()
        ended = [
            _words(file, end_ns, now_ns)
            for file, end_ns in self._ends_ns.items()
            if end_ns <= now_ns and _rests_on(changed.link, file.link)
        ]
        return replace(changed, detail="; ".join((changed.detail, *ended))) if ended else changed


def _rests_on(link: str, road: str) -> bool:
    """`kafka_out` and a partition's `topic/0` are Kafka's, `mqtt_in` is MQTT's."""
    return link.partition("_")[0] == road or (road == "kafka" and "/" in link)


def files_of(config: Config) -> Iterator[File]:
    """Each PEM file that is in use."""
    links: list[tuple[str, Kafka | Mqtt, bool]] = [
        ("kafka", config.kafka, config.kafka.security_protocol.endswith("SSL")),
        ("mqtt", config.mqtt, config.mqtt.tls),
    ]
    for link, section, is_used in links:
        for role, path in ((CLIENT, section.cert_file), (AUTHORITY, section.ca_file)):
            if is_used and path is not None:
                yield File(link, role, path)


def _read(file: File, now_ns: int) -> int | str:
    try:
        return not_after_ns(file.path, now_ns, chain=file.role == CLIENT)
    except OSError as broken:
        return f"{file.name} cannot be read: {broken}"


def _words(file: File, end_ns: int, now_ns: int) -> str:
    verb = "ended" if end_ns <= now_ns else "ends"
    return f"{file.name} {verb} {date_of(end_ns)} ({file.path})"

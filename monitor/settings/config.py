"""What a configuration without problems is: immutable, plain, with its policy's digest.

The digest covers what judges (site, env, telemetry, ladder, detectors with their
defaults, bounds of memory that are not the shipped ones), not addresses: two monitors
with one policy say so by one value.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785
from pydantic import Field

from detectors.contract import Level
from monitor.settings import sections
from monitor.settings.sections import Plain, Section

INTEGER_JSON_MAX: Final = (1 << 53) - 1


class Document(Section):
    """The whole file but its detectors."""

    site: Plain = Field(
        description="whose monitor this is: messages of another site are ignored", examples=['"nyc"']
    )
    env: Plain = Field(
        description="prod, uat, demo, ...: messages of another env are ignored", examples=['"prod"']
    )
    issuer: Plain = Field(
        "monitor-1", description="name of this monitor; of two that run side by side each has its own"
    )
    kafka: sections.Kafka = Field(sections.Kafka())
    mqtt: sections.Mqtt = Field(sections.Mqtt())
    telemetry: sections.Telemetry = Field(sections.Telemetry())
    keys: sections.Keys = Field(sections.Keys())
    audit: sections.Audit = Field(sections.Audit())
    snapshot: sections.Snapshot = Field(sections.Snapshot())
    pages: sections.Pages = Field(sections.Pages())
    http: sections.Http = Field(sections.Http())
    memory: sections.Memory = Field(sections.Memory())
    ladder: sections.Ladder = Field(sections.Ladder())
    rollout: sections.Rollout = Field(sections.Rollout())


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """One family that runs: how far it may go, and its own settings."""

    family: str
    mode: sections.Mode
    settings: Any  # an instance of the family's Settings; limits as plain mappings, inherited keys filled in
    level: Level | None  # of all its halts, where [ladder] says so; None: each reason's own


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without problems.  Nothing in it changes while the monitor runs."""

    source: str
    site: str
    env: str
    issuer: str
    kafka: sections.Kafka
    mqtt: sections.Mqtt
    telemetry: sections.Telemetry
    keys: sections.Keys
    audit: sections.Audit
    snapshot: sections.Snapshot
    pages: sections.Pages
    http: sections.Http
    memory: sections.Memory
    ladder: sections.Ladder
    rollout: sections.Rollout
    detectors: Mapping[str, DetectorConfig]
    policy_digest: str

    @property
    def document(self) -> dict[str, Any]:
        """Everything as JSON has it, defaults included.  There are no secrets in it."""
        plain = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("source", "detectors", "policy_digest")
        }
        return {
            name: value.model_dump(mode="json") if isinstance(value, Section) else value
            for name, value in plain.items()
        } | {"detectors": {name: detector_document(one) for name, one in self.detectors.items()}}


def detector_document(one: DetectorConfig) -> dict[str, Any]:
    settings = {field.name: getattr(one.settings, field.name) for field in dataclasses.fields(one.settings)}
    document: dict[str, Any] = _plain({"mode": one.mode, **settings})
    return document


def digest_of(document: Document, detectors: Mapping[str, DetectorConfig]) -> str:
    """SHA-256 over the RFC 8785 form of what judges."""
    policy = {
        "site": document.site,
        "env": document.env,
        "telemetry": document.telemetry.model_dump(mode="json"),
        "ladder": document.ladder.model_dump(mode="json"),
        "detectors": {name: detector_document(one) for name, one in detectors.items()},
    }
    if document.memory != sections.Memory():  # bounds that everybody has name no policy of their own
        policy["memory"] = document.memory.model_dump(mode="json")
    return hashlib.sha256(rfc8785.dumps(_plain(policy))).hexdigest()


def _plain(value: Any) -> Any:
    """JSON's own types; integers that JSON would round are texts."""
    match value:
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case set() | frozenset():
            return sorted(_plain(inner) for inner in value)
        case int() if abs(value) > INTEGER_JSON_MAX:
            return str(value)
        case _:
            return value

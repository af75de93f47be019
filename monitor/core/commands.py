"""What the engine asks for: verbs, returned and never done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.core.inputs import Quarantined


@dataclass(frozen=True, slots=True)
class Halt:
    """Publish this halt on every road at once.

    `payload` is the contract's, without the fields that only the shell knows: `issuer`,
    `boot`, `seq`, `issued_at`, `audit_head`.  `again` marks a re-publication of an open halt.
    """

    payload: Mapping[str, Any]
    evidence: tuple[
        tuple[int, int, int], ...
    ] = ()  # (part, first, last): records to copy into the audit trail
    again: bool = False

    @property
    def halt_id(self) -> str:
        return str(self.payload["halt_id"])


@dataclass(frozen=True, slots=True)
class State:
    """Publish all open halts: no halt is a statement, not a silence."""

    open: tuple[Mapping[str, Any], ...]
    closed: tuple[str, ...]
    policy_digest: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Say that judging goes on, or that it does not."""

    status: str  # "judging", "degraded", "blind"
    blind_of: tuple[Mapping[str, str], ...]
    policy_digest: str
    reasons: tuple[str, ...] = ()  # why not "judging", for logs and metrics


@dataclass(frozen=True, slots=True)
class Page:
    """Tell on-call, once a cause; the same `key` again only to change or resolve it."""

    key: str
    severity: str  # "halt", "high", "self"
    summary: str  # the first line, for a phone
    labels: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Append a line to the audit trail.  `what` is a dotted past-tense name: "halt.decided"."""

    what: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Keep a broken record where its producer can find it."""

    record: Quarantined


@dataclass(frozen=True, slots=True)
class Save:
    """Write a snapshot: now is a good moment."""

    why: str


Command = Halt | State | Lease | Page | Record | DeadLetter | Save

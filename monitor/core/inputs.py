"""Facts that the engine is told, in the past tense.  Nothing else ever enters it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from detectors.contract import Batch
from monitor.core.policy import Policy


@dataclass(frozen=True, slots=True)
class SourcePart:
    """Where records come from: a topic's partition, or a file (partition 0, lines as offsets)."""

    topic: str
    partition: int


CRASHED_US: Final = "crashed_us"  # reason of a record that ended our process twice, and is not judged again


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that breaks the contract, as data: the stream goes on."""

    part: int  # index of its SourcePart
    offset: int
    path: str  # the field's path, "" for the record as a whole
    reason: str  # closed list, safe as a metric label: see monitor/core/decode.py
    detail: str  # what was wrong, in words
    raw: bytes


@dataclass(frozen=True, slots=True)
class LifeBegan:
    """A process took up judging: with the memory of one before it, or from the session's start."""

    restored: bool
    unreadable: tuple[str, ...]  # snapshots that were set aside, the newest first
    lived_before: bool  # the audit trail tells of an earlier life
    at_ns: int


@dataclass(frozen=True, slots=True)
class RecordsArrived:
    """Records of one or several partitions, decoded, in the order in which they were read."""

    batch: Batch
    ranges: tuple[
        tuple[int, int, int], ...
    ]  # (part, first offset, last offset) read, broken records included
    quarantined: tuple[Quarantined, ...] = ()
    end_offsets: tuple[
        tuple[int, int], ...
    ] = ()  # (part, offset after the last record there is), where known
    holes: tuple[
        tuple[int, int, int], ...
    ] = ()  # (part, first, last) within the ranges that hold no record: marks of transactions, compacted ones


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The wall clock was read.  Live from the one clock reader; in a replay from the audit trail."""

    now_ns: int
    lagging: tuple[int, ...] = ()  # parts that have records which we have not read
    read_to_ns: int | None = None  # what was there at this time is read; None: all that there is


@dataclass(frozen=True, slots=True)
class PolicyRead:
    """The configuration was read again, and holds no mistake; `text` is all of it, as TOML."""

    policy: Policy
    text: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class PolicyBroken:
    """The configuration was read again, and cannot be used: every problem, by its key."""

    problems: tuple[str, ...]
    at_ns: int


@dataclass(frozen=True, slots=True)
class OperatorSaid:
    """A person's message, signature verified: a `halt`, or a `resume` with both signatures."""

    payload: Mapping[str, Any]
    people: tuple[str, ...]
    at_ns: int


@dataclass(frozen=True, slots=True)
class GatewaySaid:
    """A gateway's `hello`, `ack` or `refusal`, signature verified."""

    payload: Mapping[str, Any]
    at_ns: int


@dataclass(frozen=True, slots=True)
class PeerSaid:
    """Another monitor's `halt` or `state`, signature verified."""

    payload: Mapping[str, Any]
    at_ns: int


@dataclass(frozen=True, slots=True)
class CommandSettled:
    """What became of a command: one road's outcome."""

    what: str  # "halt", "state", "page", "snapshot", "audit", "dead_letter"
    key: str  # halt_id, page key, ...
    road: str  # "kafka", "mqtt", "alertmanager", "webhook", "disk"
    ok: bool
    at_ns: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The feed or a road came up or went down, as seen by whoever held the socket."""

    link: str  # "kafka", "mqtt", or "<topic>/<partition>"
    up: bool
    at_ns: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReadingStarted:
    """Reading of a partition begins here."""

    topic: str
    partition: int
    offset: int
    why: str  # "snapshot", "session", "nothing_since", "beginning", "new_partition"

    @property
    def sees_the_session(self) -> bool:
        """Whether nothing of the running session lies before it."""
        return self.why in ("session", "nothing_since") or (
            self.why in ("beginning", "new_partition") and self.offset == 0
        )


@dataclass(frozen=True, slots=True)
class RecordsLost:
    """Records [first, end) of a partition will never be read; `end` below `first`: its offsets went back."""

    topic: str
    partition: int
    first: int
    end: int
    why: str  # "retention", "truncated", "recreated", "partition_gone", "corrupt", "too_large"
    at_ns: int


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """Something came in over the roads that may not be obeyed."""

    reason: str  # closed list: monitor.core.envelope.Why
    detail: str
    is_security: bool  # what only a forger or a broken key would do
    at_ns: int


Input = (
    LifeBegan
    | RecordsArrived
    | TimePassed
    | OperatorSaid
    | GatewaySaid
    | PeerSaid
    | CommandSettled
    | LinkChanged
    | ReadingStarted
    | RecordsLost
    | MessageRefused
    | PolicyRead
    | PolicyBroken
)

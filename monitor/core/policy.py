"""What the engine is told to judge by; made from the configuration, never changed by the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from detectors.bounds import Bounds
from detectors.contract import Int64Array, Level
from monitor.core.baseline import Baseline


class Mode(Enum):
    """How far a detector may go: shadow judges and records, page wakes people, armed halts."""

    SHADOW = "shadow"
    PAGE = "page"
    ARMED = "armed"


@dataclass(frozen=True, slots=True)
class DetectorPolicy:
    """One family that runs."""

    mode: Mode
    settings: Any  # an instance of the family's Settings
    level: Level | None = None  # of all its halts; None: each reason's own


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that judges; `digest` names it in each message."""

    site: str
    env: str
    digest: str
    detectors: Mapping[str, DetectorPolicy]
    witnesses: frozenset[str] = frozenset()
    parented: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    clock_bound_ns: int = 100_000_000
    runbook: str = "runbook"
    live: bool = True  # mode of its halts: live or drill
    cold: bool = True  # the stream may begin in the middle of a session
    save_every_ns: int = 10_000_000_000  # how often the state is asked to be saved
    sessions: Mapping[str, Int64Array] = field(default_factory=dict, compare=False)  # by calendar
    baseline: Baseline = field(default_factory=Baseline, compare=False)  # its digest is in `digest`
    bounds: Bounds = field(default_factory=Bounds)  # of the ledger's tables
    retain_ns: int | None = None  # how long an order that is out stays known; None: the ledger's own

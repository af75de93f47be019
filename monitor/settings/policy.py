"""The part of a configuration that judges, as the engine is told it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from detectors.bounds import Bounds
from monitor.core.policy import DetectorPolicy, Mode, Policy
from monitor.settings.baseline import baseline_of, sessions_of

if TYPE_CHECKING:
    from monitor.settings.config import Config

MS_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000


def policy_of(config: Config, *, live: bool = True, cold: bool = True) -> Policy:
    """Everything that the digest covers, and where a page sends its reader.

    Raises `ConfigError` where the configuration names a baseline that cannot be had.
    """
    telemetry, memory, baseline = config.telemetry, config.memory, baseline_of(config)
    digest = config.policy_digest
    if not baseline.is_cold:
        digest = hashlib.sha256(f"{digest} {baseline.digest}".encode()).hexdigest()
    return Policy(
        site=config.site,
        env=config.env,
        digest=digest,
        detectors={
            name: DetectorPolicy(Mode(one.mode), one.settings, one.level)
            for name, one in config.detectors.items()
        },
        witnesses=frozenset(telemetry.witnesses),
        parented=tuple({"hosts": each.hosts, "strategies": each.strategies} for each in telemetry.parented),
        clock_bound_ns=telemetry.clock_bound_ms * MS_NS,
        runbook=config.pages.runbook_url,
        save_every_ns=config.snapshot.period_s * SECOND_NS,
        live=live,
        cold=cold,
        baseline=baseline,
        bounds=Bounds(*map(_power_of_two, (memory.orders_max, memory.executions_max, memory.parents_max))),
        sessions=sessions_of(config),
    )


def _power_of_two(rows: int) -> int:
    """So many rows or more: an index is a power of two long."""
    return 1 << (rows - 1).bit_length()

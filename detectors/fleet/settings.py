"""What can be set: who belongs to the fleet, what it runs, who may send; and how long is too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.contract import Int64Array, setting
from detectors.kernel import SECOND_NS


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """Hosts of one role, and what they run."""

    role: str = setting("", "what these hosts are for; a role may have several rows")
    hosts: tuple[str, ...] = setting((), "patterns of their names, with * and ?")
    count: int = setting(0, "how many there are; 0: not said")
    build: str = setting("", "the build that they run; empty: not said")
    flags: tuple[str, ...] | None = setting(None, "flags that they may have; absent: not said")
    config_hash: str = setting("", "the configuration that they run with that build; empty: not said")
    calendar: str = setting("", "exchange calendar (XNYS, ...) of the sessions in which they must be heard")


@dataclass(frozen=True, slots=True)
class GrantRow:
    """Who may send: a host for a strategy on an account."""

    hosts: tuple[str, ...] = setting(("*",), "patterns of hosts")
    strategies: tuple[str, ...] = setting(("*",), "patterns of strategies")
    accounts: tuple[str, ...] = setting(("*",), "patterns of accounts")


NS: Final = (
    "silent_warn_s",
    "silent_high_s",
    "minority_high_s",
    "idle_halt_s",
    "arrival_s",
    "rollout_grace_s",
)


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """The manifest, the grants and the thresholds of DOMAIN section 2."""

    manifest: tuple[Mapping[str, Any], ...] = setting(
        (),
        "Who belongs to the fleet: role, hosts, count, build, flags, config_hash, calendar. A roll-out is "
        "declared by `deploy` events: its build is expected beside the manifest's until the host is done.",
    )
    grants: tuple[Mapping[str, Any], ...] = setting(
        (), "Who may send: hosts, strategies, accounts. An order that matches no row is not granted."
    )
    silent_warn_s: float = setting(3, "A host without a heartbeat for so long is recorded.")
    silent_high_s: float = setting(10, "A host without a heartbeat for so long pages.")
    minority_high_s: float = setting(10, "A host that is not as declared for so long pages.")
    idle_halt_s: float = setting(
        20,
        "A minority host that is not as declared for so long is stopped before it sends anything, where "
        "others of its role do send.",
    )
    arrival_s: float = setting(
        60, "So long after the fleet is first heard every host that its manifest counts must have arrived."
    )
    rollout_grace_s: float = setting(
        5, "A host may say its old build for so long after its roll-out is done."
    )
    rollout_silence_s: float = setting(600, "A host whose roll-out has started may be silent for so long.")
    dormant_days: int = setting(30, "A flag that nobody used for so many days wakes up.")

    def __post_init__(self) -> None:
        if len(self.manifest) > MANIFEST_MAX:
            msg = f"{len(self.manifest)} rows of manifest; write at most {MANIFEST_MAX}"
            raise ValueError(msg)
        if self.silent_warn_s > self.silent_high_s:
            msg = f"silent_warn_s {self.silent_warn_s} is above silent_high_s; write it below"
            raise ValueError(msg)

    @property
    def rows(self) -> tuple[ManifestRow, ...]:
        return tuple(ManifestRow(**row) for row in self.manifest)

    @property
    def granted(self) -> tuple[GrantRow, ...]:
        return tuple(GrantRow(**row) for row in self.grants)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles, in the order of the manifest."""
        return tuple(dict.fromkeys(row.role for row in self.rows))

    def fixed(self) -> Int64Array:
        """Thresholds as the kernels read them: nanoseconds and days, in the order of `tables.L_...`."""
        spans = [round(getattr(self, name) * SECOND_NS) for name in (*NS, "rollout_silence_s")]
        return np.array([*spans, self.dormant_days, bool(self.grants)], np.int64)


MANIFEST_MAX: Final = 62  # a bit of a word for each row, and one for "asked"

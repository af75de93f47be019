"""The thresholds of the family, each with the sentence that the configuration prints above it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from detectors.contract import setting
from detectors.event import UNIT
from detectors.kernel import SECOND_NS
from detectors.storm.tables import TIMES_MAX


@dataclass(frozen=True, slots=True)
class StormSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    rejects_warn_share: float = setting(
        0.2, "This share of a session's orders rejected in 10 s is recorded ..."
    )
    rejects_warn_count: int = setting(20, "... of at least so many orders.")
    rejects_high_share: float = setting(0.4, "This share, running, pages ...")
    rejects_high_count: int = setting(50, "... of at least so many orders.")
    rejects_halt_share: float = setting(0.6, "This share stops the session ...")
    rejects_halt_count: int = setting(200, "... of at least so many orders.")
    cancels_within_ns: int = setting(
        10_000_000, "An order cancelled on request this soon after it was sent counts."
    )
    cancels_warn_share: float = setting(0.6, "This share of a session's orders in 10 s is recorded ...")
    cancels_high_share: float = setting(0.8, "... and this one, running, pages ...")
    cancels_high_count: int = setting(200, "... of at least so many orders.")
    cancels_halt_share: float = setting(0.9, "This share, running, stops the session ...")
    cancels_halt_count: int = setting(1_000, "... of at least so many orders.")
    running_count: int = setting(3, "Evaluations running, one a second, of whatever is `running`.")
    unknown_warn_count: int = setting(1, "So many messages never seen before, of one host, are recorded.")
    unknown_high_count: int = setting(3, "So many page (at most 16).")
    unknown_window_ns: int = setting(600 * SECOND_NS, "The window of the two.")
    unknown_peers_count: int = setting(
        4, "Without a baseline what none of so many other hosts of its role has said is unknown."
    )
    unknown_alive_ns: int = setting(60 * SECOND_NS, "A host whose heartbeat came within this time is one.")

    def __post_init__(self) -> None:
        """A count beyond what is remembered would never be reached: refuse it."""
        counts = {name: getattr(self, name) for name in ("unknown_warn_count", "unknown_high_count")}
        wrong = [f"{name} {count}" for name, count in counts.items() if count > TIMES_MAX]
        if wrong:
            msg = f"{' and '.join(wrong)}; at most {TIMES_MAX}"
            raise ValueError(msg)

    def fixed(self) -> list[int]:
        """As kernels read them: whole numbers, in the order of `tables.L_*`, scaled by their unit."""
        return [round(v * (UNIT if k.endswith("_share") else 1)) for k, v in asdict(self).items()]

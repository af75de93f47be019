"""The thresholds of the family, each with the sentence that the configuration prints above it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from detectors.contract import setting
from detectors.kernel import SECOND_NS
from detectors.leak.tables import SECONDS


@dataclass(frozen=True, slots=True)
class LeakSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    high_count: int = setting(1, "So many orders that one open halt let through page.")
    halt_count: int = setting(
        1, "So many stop the scope one step wider, at the level of the halt that leaks."
    )
    throttle_running_count: int = setting(
        2, "So many seconds running over the cap of a throttle are a leak (at most 8)."
    )
    in_flight_ns: int = setting(
        2 * SECOND_NS, "A replace that nobody was seen to ask for was asked for at most this long before."
    )
    cancelled_within_ns: int = setting(
        2 * SECOND_NS, "What still works so long after every gateway obeys, and is no survivor, leaks."
    )

    def __post_init__(self) -> None:
        """More seconds than are remembered would never be reached: refuse it."""
        if not 1 <= self.throttle_running_count <= SECONDS // 2:
            msg = f"throttle_running_count {self.throttle_running_count}; at least 1, at most {SECONDS // 2}"
            raise ValueError(msg)
        if min(self.high_count, self.halt_count) < 1:
            msg = f"high_count {self.high_count}, halt_count {self.halt_count}; at least 1"
            raise ValueError(msg)

    def fixed(self) -> list[int]:
        """As kernels read them, in the order of `tables.T_*`."""
        return list(asdict(self).values())

"""What can be set: the limits by scope, and how near to them is recorded, pages and halts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Int64Array, setting
from detectors.event import MONEY, UNIT
from detectors.exposure import tables as tb
from detectors.exposure.limits import CAP_KEYS, Shapes, basis_of, fixed
from detectors.kernel import SECOND_NS


@dataclass(frozen=True, slots=True)
class ExposureSettings:
    """Limits by scope, and the shares of them that are recorded and that page (DOMAIN section 2)."""

    limit: tuple[Mapping[str, Any], ...] = setting(
        (),
        "Limits by scope: gross, net (dollars), quantity (units of one symbol); order_notional and "
        "order_quantity of one order; session_orders and session_notional of a trade date, with "
        "hard_orders and hard_notional where the day's total shall halt. basis: intraday (default) counts "
        "what was built since the trade date began, total also what a position brought in.",
    )
    warn_share: float = setting(0.75, "Above this share of a limit it is recorded.")
    high_share: float = setting(0.9, "Above this share of an exposure limit people are paged, once a day.")
    unpriced_notional: float = setting(
        1_000_000, "Dollars that a position or working order in one symbol counts for while it has no price."
    )
    mark_near_share: float = setting(
        0.2, "A mark further than this from the reference waits for a fill or a second mark to confirm it."
    )
    running_count: int = setting(
        3, "One-second evaluations running that a mark alone must stand above a limit, or growth page."
    )
    warn_time_to_limit_s: float = setting(120, "Growth that reaches a limit within this is recorded.")
    high_time_to_limit_s: float = setting(30, "Growth that reaches a limit within this pages.")
    order_halt_times: float = setting(3, "An order above this multiple of its cap stops its session.")
    orders_over_count: int = setting(5, "So many orders over their cap within the window stop the session.")
    orders_over_window_s: float = setting(10, "The window of orders_over_count.")

    def __post_init__(self) -> None:
        if not 0 < self.warn_share <= self.high_share <= 1:
            msg = (
                f"warn_share {self.warn_share} and high_share {self.high_share}; write 0 < warn <= high <= 1"
            )
            raise ValueError(msg)
        if not 1 <= self.orders_over_count <= tb.OVER_MAX or not 1 <= self.running_count <= tb.RUNNING_MAX:
            msg = (
                f"orders_over_count is from 1 to {tb.OVER_MAX} and running_count from 1 to {tb.RUNNING_MAX}; "
                "write smaller ones"
            )
            raise ValueError(msg)
        Shapes.of(self.limit)

    def constants(self) -> tuple[Int64Array, NDArray[np.float64]]:
        """What does not change, as the kernels read it: `limits` and `shares`."""
        limits = np.zeros(tb.LIMITS, np.int64)
        limits[tb.L_BASES] = sum({1 << basis_of(row) for row in self.limit})
        limits[tb.L_UNPRICED] = fixed(self.unpriced_notional, MONEY)
        limits[tb.L_RUNNING] = self.running_count
        limits[tb.L_TIME_WARN] = fixed(self.warn_time_to_limit_s, UNIT)
        limits[tb.L_TIME_HIGH] = fixed(self.high_time_to_limit_s, UNIT)
        limits[tb.L_FLOOR] = fixed(self.floor_share, UNIT)
        limits[tb.L_OVERS] = self.orders_over_count
        limits[tb.L_OVER_WINDOW] = fixed(self.orders_over_window_s, SECOND_NS)
        limits[tb.L_HAS_CAPS] = any(key in row for row in self.limit for key in CAP_KEYS)
        return limits, np.array([self.mark_near_share, self.order_halt_times, self.warn_share])

    @property
    def floor_share(self) -> float:
        """Where growth begins to be watched: a tenth of less, each second, is too slow for a warning."""
        return min(0.5, 1 / (1 + self.warn_time_to_limit_s / 10))

"""What can be set: the limits by scope, and how near to them is recorded, pages and halts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Int64Array, setting
from detectors.loss import tables as tb
from detectors.loss.shapes import Shapes

RUNNING_MAX = 60


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Limits by scope, and the shares of them that are recorded and that page (DOMAIN section 2)."""

    limit: tuple[Mapping[str, Any], ...] = setting(
        (),
        "Limits by scope: daily (dollars lost in a trade date, realised and marked), velocity (dollars lost "
        "by fills in a minute; not said: velocity_share of daily).",
    )
    warn_share: float = setting(0.5, "Above this share of a limit it is recorded.")
    high_share: float = setting(0.8, "Above this share of a limit people are paged.")
    velocity_share: float = setting(0.25, "The share of a daily limit that may be lost by fills in a minute.")
    running_count: int = setting(
        3, "One-second evaluations running that a mark alone, or a minute's loss, must stand on a rung."
    )
    mark_near_share: float = setting(
        0.2, "A mark further than this from the reference waits for a fill or a second mark to confirm it."
    )

    def __post_init__(self) -> None:
        if not 0 < self.warn_share <= self.high_share <= 1:
            msg = f"warn_share {self.warn_share}, high_share {self.high_share}; write 0 < warn <= high <= 1"
            raise ValueError(msg)
        if not 1 <= self.running_count <= RUNNING_MAX:
            msg = f"running_count is from 1 to {RUNNING_MAX}, not {self.running_count}"
            raise ValueError(msg)
        Shapes.of(self.limit)

    def constants(self) -> tuple[Int64Array, NDArray[np.float64]]:
        """What does not change, as the kernels read it: `limits` and `shares`."""
        limits = np.zeros(tb.LIMITS, np.int64)
        limits[tb.L_RUNNING] = self.running_count
        return limits, np.array([self.mark_near_share, self.warn_share, self.high_share, 1.0])

"""The thresholds of the family, each with the sentence that the configuration prints above it."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.child_parent.tables import RING_PARENTS
from detectors.contract import setting
from detectors.event import MONEY, UNIT
from detectors.kernel import SECOND_NS

if TYPE_CHECKING:
    from detectors.contract import Int64Array

SCALES: Final = {"usd": MONEY, "times": UNIT, "qty": UNIT}  # by the last word of a name


@dataclass(frozen=True, slots=True)
class ChildParentSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    after_done_grace_ns_min: int = setting(
        250_000_000, "A child within this time of its parent's end crossed it on the way."
    )
    after_done_grace_bounds_count: int = setting(
        2, "The grace is at least this often the larger clock bound of the two hosts."
    )
    after_done_high_count: int = setting(2, "So many late children of one parent page.")
    after_done_halt_count: int = setting(
        3, "So many late children of one parent within the window stop the host (at most 16)."
    )
    after_done_halt_window_ns: int = setting(SECOND_NS, "The window of after_done_halt_count.")
    after_done_halt_total_count: int = setting(
        10, "So many late children of one parent in all stop the host."
    )
    after_done_parents_count: int = setting(
        3, "Late children of so many distinct parents stop the host that sent them (at most 16)."
    )
    after_done_parents_window_ns: int = setting(5 * SECOND_NS, "The window of after_done_parents_count.")
    after_done_widen_count: int = setting(
        3, "So many hosts at once stop the build or the strategy that they share, else the firm."
    )
    overcommit_slack_qty: float = setting(100, "Filled and working may exceed the parent by this much.")
    overcommit_high_after_ns: int = setting(SECOND_NS, "A parent overcommitted for this long pages.")
    overcommit_halt_times: float = setting(
        1.1, "Fills beyond this multiple of the quantity stop the host ..."
    )
    overcommit_halt_usd: float = setting(50_000, "... if what is over is worth more than this.")
    orphan_announce_ns: int = setting(
        2 * SECOND_NS, "A parent may be announced this much later than its first child."
    )
    orphan_warn_count: int = setting(5, "Orders without a known parent in 10 s that are recorded.")
    orphan_high_count: int = setting(50, "Orders without a known parent in 10 s that page.")
    orphan_high_usd: float = setting(250_000, "Dollars of such orders in 10 s that page.")
    orphan_halt_count: int = setting(200, "Orders without a known parent in 10 s that stop the host ...")
    orphan_halt_usd: float = setting(1_000_000, "... if they are worth this much.")
    ratio_warn_times: float = setting(
        10, "Children per parent in 10 s that are recorded: 10, or three times the p99.9 of clean days."
    )
    ratio_high_times: float = setting(2, "This multiple of ratio_warn_times pages.")
    ratio_halt_times: float = setting(
        4, "This multiple stops the host, if its parents are filled and working beyond their quantity."
    )
    ratio_running_count: int = setting(3, "Evaluations running, one a second, that page or stop.")
    chain_warn_times: float = setting(2, "A replace chain's total against its first order's: recorded.")
    chain_high_times: float = setting(3, "This multiple pages ...")
    chain_high_usd: float = setting(250_000, "... if the chain is worth this much.")
    chain_halt_times: float = setting(5, "This multiple stops the session ...")
    chain_halt_usd: float = setting(1_000_000, "... if the chain is worth this much.")
    unpriced_usd: float = setting(
        10_000, "What an order counts for if neither it nor its symbol ever had a price."
    )

    def __post_init__(self) -> None:
        """A count beyond what is remembered would never be reached: refuse it."""
        counts = {name: getattr(self, name) for name in ("after_done_halt_count", "after_done_parents_count")}
        wrong = [f"{name} {count}" for name, count in counts.items() if not 1 <= count <= RING_PARENTS]
        if wrong:
            msg = f"{' and '.join(wrong)}; write 1 to {RING_PARENTS}"
            raise ValueError(msg)

    def fixed(self) -> Int64Array:
        """As the kernels read them: whole numbers in the order above, scaled by the unit in the name."""
        told = zip(fields(self), astuple(self), strict=True)
        return np.array([round(v * SCALES.get(f.name.rpartition("_")[2], 1)) for f, v in told], np.int64)

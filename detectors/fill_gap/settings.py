"""The thresholds of the family, and how its kernels read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from detectors.contract import setting
from detectors.event import MONEY, UNIT
from detectors.fill_gap.tables import LOST_NS_MAX
from detectors.kernel import SECOND_NS

MS_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class FillGapSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    ack_warn_ns: int = setting(500 * MS_NS, "Orders unanswered for this long are recorded ...")
    ack_warn_count: int = setting(1, "... from so many of a session on.")
    ack_high_ns: int = setting(2 * SECOND_NS, "Orders unanswered for this long page ...")
    ack_high_count: int = setting(5, "... from so many of a session on.")
    ack_halt_ns: int = setting(2 * SECOND_NS, "Orders unanswered for this long stop the session ...")
    ack_halt_times: float = setting(
        5, "... or for this multiple of its p99 answer time if that is longer (30 s at most), ..."
    )
    ack_halt_count: int = setting(50, "... if there are so many of them, ...")
    ack_halt_share: float = setting(0.5, "... or they are this share of what it sent ...")
    ack_halt_sent_count: int = setting(20, "... and it sent at least so many, and goes on sending.")
    lost_after_ns: int = setting(
        60 * SECOND_NS,
        "An order that nothing answered, or an execution that the drop copy did not tell, for this long is "
        "lost and counts no more (60 s at most).",
    )
    sending_ns: int = setting(SECOND_NS, "Who sent an order within this time goes on sending.")
    unconfirmed_allowance_ns: int = setting(
        2 * SECOND_NS, "A booking may be told this late before its age counts."
    )
    unconfirmed_warn_ns: int = setting(SECOND_NS, "An execution not booked for this long is recorded.")
    unconfirmed_high_ns: int = setting(5 * SECOND_NS, "An execution not booked for this long pages.")
    unconfirmed_halt_ns: int = setting(
        15 * SECOND_NS, "An execution not booked for this long stops its parent ..."
    )
    unconfirmed_halt_usd: float = setting(
        1_000_000,
        "... if more than this is not booked, its strategy goes on sending and the witness is alive.",
    )
    unconfirmed_alive_ns: int = setting(
        5 * SECOND_NS, "A witness heard within this time is alive; a silent one only pages."
    )
    unconfirmed_widen_count: int = setting(
        3, "So many parents of one strategy at one rung are the strategy's."
    )
    witness_missing_ns: int = setting(
        5 * SECOND_NS, "A declared witness silent this long after what it should confirm pages."
    )
    orphan_fill_announce_ns: int = setting(
        2 * SECOND_NS, "The order of a fill may be announced this much later."
    )
    orphan_fill_warn_count: int = setting(1, "Fills without an order in a trade date that are recorded.")
    orphan_fill_high_usd: float = setting(250_000, "Dollars of such fills that page.")
    orphan_fill_halt_usd: float = setting(
        1_000_000, "Dollars of such fills that stop a session declared electronic."
    )
    orphan_fill_sessions: tuple[str, ...] = setting(
        ("*",), "Patterns of the sessions declared electronic: nobody trades on them by hand."
    )

    def __post_init__(self) -> None:
        if not 0 < self.lost_after_ns <= LOST_NS_MAX:
            msg = f"lost_after_ns is up to {LOST_NS_MAX}, not {self.lost_after_ns}"
            raise ValueError(msg)

    def fixed(self) -> list[int]:
        """As kernels read them: whole numbers, in the order of `tables.L_*`, scaled by their unit."""
        scales = {"usd": MONEY, "times": UNIT, "share": UNIT}
        told = {k: v for k, v in asdict(self).items() if k != "orphan_fill_sessions"}
        return [round(v * scales.get(k.rpartition("_")[2], 1)) for k, v in told.items()]

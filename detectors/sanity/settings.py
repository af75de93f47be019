"""The thresholds of the family, and how its kernels read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Int64Array, setting
from detectors.event import MONEY, UNIT
from detectors.kernel import SECOND_NS
from detectors.sanity import tables as tb


@dataclass(frozen=True, slots=True)
class SanitySettings:
    """Thresholds of DOMAIN section 2; price bands vary by class as in LULD, the rest is to be fitted."""

    collar_equity_share: float = setting(0.1, "An equity may be bought or sold this far through its mark ...")
    collar_low_share: float = setting(0.2, "... or this far ...")
    collar_low_usd: float = setting(3, "... if its mark is below so many dollars.")
    collar_future_share: float = setting(0.05, "The same of a future, and of a currency pair.")
    collar_option_share: float = setting(0.5, "The same of an option.")
    collar_other_share: float = setting(0.2, "The same of what nobody said to be one of these.")
    collar_ticks: float = setting(5, "So many ticks through the mark are within every collar.")
    collar_warn_count: int = setting(1, "Orders through the collar that are recorded ...")
    collar_high_count: int = setting(3, "... that page ...")
    collar_halt_count: int = setting(5, "... that stop the session ...")
    collar_window_s: float = setting(10, "... within this time.")
    reference_age_s: float = setting(10, "A mark older than this is no reference: the question is stale.")
    mark_near_share: float = setting(
        0.2, "A mark further than this from the reference waits for a fill or a second mark to confirm it."
    )
    adv_warn_share: float = setting(0.05, "An order for more of a day's volume than this is recorded.")
    adv_high_share: float = setting(0.25, "A parent for more of a day's volume than this pages.")
    adv_halt_share: float = setting(0.25, "A child for more of it than this stops its session ...")
    adv_halt_usd: float = setting(1_000_000, "... if it is worth more than this, or nobody knows its worth.")
    shares_out_times: float = setting(1, "An order above this multiple of all shares stops its session.")
    bad_reference_times: float = setting(10, "A mark so many times the last one, or that part of it, is bad.")
    bad_reference_running_count: int = setting(
        3, "One-second evaluations running that a symbol in use must have a bad reference to page."
    )
    in_use_s: float = setting(600, "A symbol is in use this long after its last order or fill.")
    one_price_warn_count: int = setting(10, "Symbols ordered at exactly one price that are recorded ...")
    one_price_high_count: int = setting(20, "... that page ...")
    one_price_window_s: float = setting(10, "... within this time.")

    def __post_init__(self) -> None:
        for name, bound in (
            ("collar_warn_count", tb.TIMES_MAX),
            ("collar_high_count", tb.TIMES_MAX),
            ("collar_halt_count", tb.TIMES_MAX),
            ("one_price_warn_count", tb.SYMBOLS_OF_PRICE),
            ("one_price_high_count", tb.SYMBOLS_OF_PRICE),
        ):
            if not 1 <= getattr(self, name) <= bound:
                msg = f"{name} is from 1 to {bound}, not {getattr(self, name)}"
                raise ValueError(msg)

    def constants(self) -> tuple[Int64Array, NDArray[np.float64]]:
        """As the kernels read them, in the order of `tables`: whole numbers (counts, ns, money), others."""
        told = asdict(self)
        limits = np.zeros(tb.LIMITS, np.int64)
        shares = np.zeros(tb.SHARES, np.float64)
        for column, name in enumerate(tb.LIMIT_NAMES):
            unit = name.rpartition("_")[2]
            limits[column] = round(told[name] * {"s": SECOND_NS, "usd": MONEY, "count": 1}[unit])
        for column, name in enumerate(tb.SHARE_NAMES):
            shares[column] = told[name]
        shares[tb.R_LOW_PX] = self.collar_low_usd * UNIT
        return limits, shares

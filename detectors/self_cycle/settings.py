"""The thresholds of the family, and how its kernels read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from detectors.contract import setting
from detectors.event import MONEY
from detectors.self_cycle.tables import WINDOW_MAX


@dataclass(frozen=True, slots=True)
class SelfCycleSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    window_s: int = setting(60, "The window of all counts, and how long a lot can be closed (60 s at most).")
    round_trips_warn_count: int = setting(50, "Round trips of a strategy with a loss that are recorded ...")
    round_trips_high_count: int = setting(100, "... that page ...")
    round_trips_halt_count: int = setting(200, "... that stop the strategy ...")
    round_trips_halt_usd: float = setting(100_000, "... if they have lost so many dollars.")
    own_trades_warn_count: int = setting(50, "Trades of two strategies of one entity that are recorded ...")
    own_trades_high_count: int = setting(200, "... that page ...")
    own_trades_halt_count: int = setting(500, "... that stop both.")

    def __post_init__(self) -> None:
        if not 1 <= self.window_s <= WINDOW_MAX:
            msg = f"window_s is from 1 to {WINDOW_MAX}, not {self.window_s}"
            raise ValueError(msg)

    def fixed(self) -> list[int]:
        """As kernels read them: whole numbers, in the order of `tables.L_*`."""
        told = asdict(self)
        return [round(value * (MONEY if name.endswith("_usd") else 1)) for name, value in told.items()]

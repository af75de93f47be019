"""The tape: instruments and their prices as a function of time, nothing to remember.

A price breathes by 0.05 % around its reference, or follows the path that an incident gave it.

>>> tape = Tape((Instrument("CLH0", 77.0),), seed=1)
>>> tape.moves("CLH0", (0, 1.0), (10, 1.1))
>>> tape.price("CLH0", 10) > 84
True
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.scenarios.randomness import stream

if TYPE_CHECKING:
    from collections.abc import Iterable

BREATH: Final = 0.0005
BREATH_S: Final = (40.0, 160.0)  # periods


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is traded; `None` is not told."""

    symbol: str
    price: float  # the reference, before anything happened
    tick: float = 0.01
    multiplier: float = 1
    currency: str = "USD"
    asset_class: str = "equity"
    adv: int | None = 5_000_000
    shares_out: int | None = 500_000_000


class Tape:
    """Prices of all instruments of one stage."""

    def __init__(self, instruments: Iterable[Instrument], seed: int) -> None:
        self.of = {each.symbol: each for each in instruments}
        rng = stream(seed, "tape")
        self._breath = {
            symbol: (float(rng.uniform(*BREATH_S)) * 1e9, float(rng.uniform(0, 2 * math.pi)))
            for symbol in self.of
        }
        self._path: dict[str, tuple[list[int], list[float]]] = {}

    def moves(self, symbol: str, *points: tuple[int, float]) -> None:
        """Let a price go through (time, times its reference), straight in between."""
        self._path[symbol] = [at for at, _ in points], [times for _, times in points]

    def mid(self, symbol: str, ts: int) -> float:
        if symbol in self._path:
            return self.of[symbol].price * self._moved(symbol, ts)
        period, phase = self._breath[symbol]
        breath = BREATH * math.sin(2 * math.pi * (ts % (1 << 50)) / period + phase)
        return self.of[symbol].price * (1 + breath)

    def price(self, symbol: str, ts: int, ticks: int = 0) -> float:
        """Give the mid on the grid of ticks, so many ticks higher."""
        return self.on_grid(symbol, self.mid(symbol, ts), ticks)

    def on_grid(self, symbol: str, price: float, ticks: int = 0) -> float:
        tick = self.of[symbol].tick
        return round(max(1, round(price / tick) + ticks) * tick, 6)

    def _moved(self, symbol: str, ts: int) -> float:
        times, factors = self._path[symbol]
        after = bisect_right(times, ts)
        if after == 0:
            return factors[0]
        if after == len(times):
            return factors[-1]
        gone = (ts - times[after - 1]) / (times[after] - times[after - 1])
        return factors[after - 1] + gone * (factors[after] - factors[after - 1])

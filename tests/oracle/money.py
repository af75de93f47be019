"""What a price is worth in dollars, slow and obvious: the multiplier and the currency of its symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.posting import PostingKind as K

if TYPE_CHECKING:
    from detectors.names import Names

UNIT: Final = 10**8


class Money:
    """Instruments and rates as they were told; a currency that nobody rated counts one for one."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.instruments: dict[int, tuple[int, int]] = {}  # symbol -> (multiplier, currency)
        self.rates: dict[int, int] = {}

    def hear(self, p: Any, row: Any) -> None:
        if p[po.KIND] == K.RATED and self.names.text(nm.CURRENCY, int(p[po.VENUE])) != "USD":
            self.rates[int(p[po.VENUE])] = int(p[po.PX])
        elif p[po.KIND] == K.INSTRUMENT:
            multiplier = int(row[ev.MULTIPLIER]) if row[ev.MULTIPLIER] != ev.NONE else UNIT
            self.instruments[int(p[po.SYMBOL])] = (multiplier, int(row[ev.CURRENCY]))

    def in_dollars(self, px: int, symbol: int) -> int:
        multiplier, currency = self.instruments.get(symbol, (UNIT, 0))
        one = (float(multiplier) / UNIT) * (float(self.rates.get(currency, UNIT)) / UNIT)
        return px if one == 1 else round(float(px) * one)

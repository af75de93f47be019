"""What an order is worth in dollars; never nothing because nobody knows its price."""

from __future__ import annotations

from detectors import names as nm
from detectors import posting as po
from detectors.child_parent.tables import L_UNPRICED
from detectors.event import NONE
from detectors.evidence import dollars
from detectors.kernel import inlined
from detectors.pricing import in_dollars


@inlined
def learn_price(p, prices):
    """Remember a symbol's last price."""
    if p[po.PX] != NONE and p[po.PX] != 0 and p[po.SYMBOL] > nm.OTHER:
        prices[p[po.SYMBOL]] = p[po.PX]


@inlined
def price_of(p, t):
    """Dollars for one unit at the posting's price, else at its symbol's last; `NONE` if it never had one."""
    symbol, px = p[po.SYMBOL], p[po.PX]
    if px == NONE or px == 0:
        px = t.prices[symbol] if symbol > nm.OTHER else 0
    return in_dollars(px, t.symbols, symbol, t.currencies) if px != 0 else NONE


@inlined
def worth(quantity, px, limits):
    """Dollars of a quantity at this price, or at none."""
    return dollars(quantity, px) if px != NONE else limits[L_UNPRICED]

"""What an order is worth in dollars; never nothing because nobody knows its price."""

from __future__ import annotations

from detectors import names as nm
from detectors import posting as po
from detectors.child_parent.tables import L_UNPRICED
from detectors.event import NONE
from detectors.evidence import dollars
from detectors.kernel import inlined


@inlined
def learn_price(p, prices):
    """Remember a symbol's last price."""
    if p[po.PX] != NONE and p[po.PX] != 0 and p[po.SYMBOL] > nm.OTHER:
        prices[p[po.SYMBOL]] = p[po.PX]


@inlined
def price_of(p, prices):
    """The posting's price, else the symbol's last; `NONE` if it never had one."""
    if p[po.PX] != NONE and p[po.PX] != 0:
        return p[po.PX]
    px = prices[p[po.SYMBOL]] if p[po.SYMBOL] > nm.OTHER else 0
    return px if px != 0 else NONE


@inlined
def worth(quantity, px, limits):
    """Dollars of a quantity at this price, or at none."""
    return dollars(quantity, px) if px != NONE else limits[L_UNPRICED]

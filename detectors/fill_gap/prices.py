"""What is asked in dollars is dollars: of a future that stands for fifty units, and of a price in yen too."""

from __future__ import annotations

from detectors import posting as po
from detectors.kernel import inlined
from detectors.pricing import in_dollars


@inlined
def price_of(t, p):
    """Dollars for one unit at a posting's price."""
    return in_dollars(p[po.PX], t.symbols, p[po.SYMBOL], t.currencies)

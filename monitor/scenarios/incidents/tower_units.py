"""Tower Research, two-year Treasury futures, 14 October 2021: a notional read as a number of contracts.

Facts (CBOT 21-1520-BC, 2 February 2024): after an untested change the system took the notional size of a
position on another market for contracts, and hedged it with fill-and-kill orders in the December two-year
note; a risk control tripped within a few milliseconds, several orders still reached the exchange; each
traded through several levels of the book.

Assumptions (ours): a position of 400,000 thousand dollars, so orders of 400,000 contracts, half a
millisecond apart; the control trips after 4 ms, six more get out; each trades 900 to 1,500 contracts at up
to five ticks worse, the rest is out.  What got out did so within the clocks' own doubt (100 ms): by our
sight it is no leak of a halt.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

CONTRACTS, BEFORE, LEAKED = 400_000, 8, 6
STEP_NS: Final = MS_NS // 2
ONSET_NS: Final = at_ns("2021-10-14", "08:30:05.2", -5)
SPAN: Final = around(ONSET_NS, 60, 30)
SYMBOL: Final = "ZTZ1"
CAST: Final = Cast.of("CBOT", "cash-hedger", "TW1")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 109.75, 0.00390625, 2_000, asset_class="future", adv=450_000, shares_out=None),
    Instrument("ZFZ1", 122.5, 0.0078125, 1_000, asset_class="future", adv=900_000, shares_out=None),
    Instrument("ZNZ1", 130.9, 0.015625, 1_000, asset_class="future", adv=1_500_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (within(ONSET_NS, 0.01), 0.9992), (within(ONSET_NS, 5), 1.0))
    stage = CAST.stage("tower_units", seed, scale, SPAN, INSTRUMENTS, paths={SYMBOL: path})
    for nth in range(BEFORE + LEAKED):
        sent = ONSET_NS + nth * STEP_NS
        price = stage.tape.price(SYMBOL, sent, -6 - nth)
        order = Order.sent(stage, CAST.rogue, sent, SYMBOL, "sell", CONTRACTS, price, tif="ioc")
        order.acked(sent + MS_NS)
        for level in range(5):
            qty = int(stage.luck.integers(180, 301))
            order.filled(sent + 2 * MS_NS + level * 10_000, qty, stage.tape.on_grid(SYMBOL, price, 5 - level))
        order.out(sent + 3 * MS_NS, "ioc")
    expected = [("sanity", within(ONSET_NS, 1))]
    return told(stage, ONSET_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=500e6, firm_gross=1.5e12)
TOWER_UNITS: Final = incident("tower_units", "a notional read as a number of contracts", SPAN, _tell, POLICY)

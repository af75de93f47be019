"""Allston Trading, Federal Funds futures, 23 October 2012: an order and cancel loop for an hour.

Facts (CME notice of 19 December 2014; Reuters): for one hour its system entered an excessive number of
order and cancellation messages in Federal Funds futures, in a repetitive pattern, after a software failure
had caused one of several safeguards against excessive messaging not to work. No counts.

Told: the first minute of the hour. Assumptions (ours): 150 orders a second, each cancelled 2 to 8 ms after
it was sent; sizes and levels rotate; none fills.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

A_SECOND, TOLD_S = 150, 60
ONSET_NS: Final = at_ns("2012-10-23", "10:05:00.1", -5)
SPAN: Final = around(ONSET_NS, 45, TOLD_S + 2)
SYMBOL: Final = "ZQF3"
CAST: Final = Cast.of("CBOT", "ff-quoter", "A1")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 99.86, 0.005, 4_167, asset_class="future", adv=25_000, shares_out=None),
    Instrument("ZTZ2", 110.2, 0.0078125, 2_000, asset_class="future", adv=250_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage("allston", seed, scale, SPAN, INSTRUMENTS)
    for nth in range(A_SECOND * TOLD_S):
        sent = ONSET_NS + nth * SECOND_NS // A_SECOND
        side = "buy" if nth % 2 else "sell"
        level = 2 + nth // 2 % 9
        price = stage.tape.price(SYMBOL, sent, -level if side == "buy" else level)
        order = Order.sent(stage, CAST.rogue, sent, SYMBOL, side, 1 + nth // 18 % 40, price)
        order.acked(sent + MS_NS)
        gone = sent + int(stage.luck.integers(2 * MS_NS, 7 * MS_NS))
        order.cancel_asked(gone).out(gone + MS_NS // 2)
    return told(stage, ONSET_NS, CAST.scopes, [("storm", within(ONSET_NS, 15))])


POLICY: Final = CAST.policy(gross=200e6)
ALLSTON: Final = incident("allston", "an order and cancel loop for an hour", SPAN, _tell, POLICY)

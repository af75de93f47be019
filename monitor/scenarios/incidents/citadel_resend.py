"""Citadel, E-mini S&P, 3 June 2013: orders that were filled are sent again, for a minute.

Facts (CME notice of 23 March 2015; Reuters): a malfunction of the order routing software sent to the
exchange again, for about a minute, orders that previously had been filled; volume and price moved. No
counts.

Assumptions (ours): 60 orders of 2 to 12 contracts were worked and done within the minute before; these are
sent again in turn, 25 a second for 60 seconds, each filled; the price rises by 0.3 %.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order, Parent

FILLED_BEFORE, A_SECOND, LASTED_S = 60, 25, 60
ONSET_NS: Final = at_ns("2013-06-03", "13:00:00.1", -5)
SPAN: Final = around(ONSET_NS, 75, 80)
SYMBOL: Final = "ESM3"
CAST: Final = Cast.of("CME", "client-algo", "D5")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 1_630.0, 0.25, 50, asset_class="future", adv=2_000_000, shares_out=None),
    Instrument("NQM3", 2_990.0, 0.25, 20, asset_class="future", adv=250_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (within(ONSET_NS, LASTED_S), 1.003))
    stage = CAST.stage("citadel_resend", seed, scale, SPAN, INSTRUMENTS, paths={SYMBOL: path})
    filled: list[tuple[Parent, Order]] = []
    for nth in range(FILLED_BEFORE):
        sent = ONSET_NS - 60 * SECOND_NS + nth * 950 * MS_NS
        qty, side = int(stage.luck.integers(1, 7)) * 2, "buy" if stage.luck.random() < 0.7 else "sell"
        parent = Parent.accepted(stage, sent - 4 * MS_NS, "D5", "client-algo", SYMBOL, side, qty)
        price = stage.tape.price(SYMBOL, sent, 2 if side == "buy" else -2)
        order = Order.sent(stage, CAST.clean, sent, SYMBOL, side, qty, price, parent=parent)
        order.acked().filled()
        parent.done()
        filled.append((parent, order))
    for nth in range(A_SECOND * LASTED_S):
        sent = ONSET_NS + nth * SECOND_NS // A_SECOND
        parent, before = filled[-1 - nth % FILLED_BEFORE]
        again = Order.sent(
            stage, CAST.rogue, sent, SYMBOL, before.side, before.qty, before.price, parent_id=parent.name
        )
        again.acked().filled(price=stage.tape.price(SYMBOL, sent))
    expected = [("child_parent", within(ONSET_NS, 2)), ("repeat", within(ONSET_NS, 3))]
    return told(stage, ONSET_NS, [*CAST.scopes, {"host": CAST.rogue.host.name}], expected)


POLICY: Final = CAST.policy(gross=300e6)
CITADEL_RESEND: Final = incident(
    "citadel_resend", "orders that were filled are sent again, for a minute", SPAN, _tell, POLICY
)

"""Infinium, crude oil, 3 February 2010: 6,767 one-lot buys in three seconds.

Facts (NYMEX 10-7565-BC; Reuters, 25 August 2010): from about 13:26:28 Chicago time 6,767 one-lot limit
orders to buy March Light Sweet Crude within approximately three seconds; by 13:26:52 it had bought 4,612
contracts at 76.67 to 77.45, the other 2,155 orders were cancelled; a loss of $1.03 million; the firm's own
stop did not work.

Assumptions (ours): all orders have one limit, the highest price paid; they leave evenly; the price rises
with the 2.5th power of what is bought, so that the loss against 76.67 is the published one.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

ORDERS, BOUGHT = 6_767, 4_612
LOW, HIGH = 76.67, 77.45
ONSET_NS: Final = at_ns("2010-02-03", "13:26:28", -6)
SPAN: Final = around(ONSET_NS, 45, 35)
SYMBOL: Final = "CLH0"
CAST: Final = Cast.of("NYMEX", "uso-arb", "P7")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, LOW, 0.01, 1_000, asset_class="future", adv=300_000, shares_out=None),
    Instrument("NGH0", 5.42, 0.001, 10_000, asset_class="future", adv=120_000, shares_out=None),
    Instrument("HOH0", 2.01, 0.0001, 42_000, asset_class="future", adv=60_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (ONSET_NS + 24 * SECOND_NS, HIGH / LOW))
    stage = CAST.stage("infinium_crude", seed, scale, SPAN, INSTRUMENTS, paths={SYMBOL: path})
    step = 3 * SECOND_NS // ORDERS
    lucky = set(stage.luck.permutation(ORDERS)[:BOUGHT].tolist())
    bought = 0
    for nth in range(ORDERS):
        sent = ONSET_NS + nth * step + int(stage.luck.integers(step))
        order = Order.sent(stage, CAST.rogue, sent, SYMBOL, "buy", 1, HIGH).acked()
        if nth in lucky:
            price = round(LOW + (HIGH - LOW) * (bought / (BOUGHT - 1)) ** 2.5, 2)
            order.filled(order.at + (bought * 20 * SECOND_NS) // BOUGHT + MS_NS, price=price)
            bought += 1
        else:
            order.cancelled(within(ONSET_NS, 24) + nth * MS_NS // 8)
    expected = [("rate", within(ONSET_NS, 3)), ("repeat", within(ONSET_NS, 1))]
    return told(stage, ONSET_NS, [*CAST.scopes, {"host": CAST.rogue.host.name}], expected)


POLICY: Final = CAST.policy(gross=60e6)
INFINIUM_CRUDE: Final = incident("infinium_crude", "6,767 one-lot buys in three seconds", SPAN, _tell, POLICY)

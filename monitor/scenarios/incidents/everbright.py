"""Everbright, Shanghai, 16 August 2013: 23.4 billion yuan of buys within seconds.

Facts (China Securities Regulatory Commission, 30 August and 14 November 2013): from 11:05:08 an ETF
arbitrage system made 26,082 orders in about two seconds; 23.4 billion yuan was sent, 7.27 billion traded;
the index rose by 5.96 % within three minutes; the strategy's capital was 80 million yuan; a loss of 194
million yuan.

Assumptions (ours): 180 stocks of the basket, each a parent of one 180th, 145 orders at the limit up (10 %);
31 % of the orders fill, evenly through 25 seconds; what is left is cancelled from 11:06:10 on.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order, Parent

ORDERS: Final = 26_082
SENT_CNY, TRADED_CNY = 23.4e9, 7.27e9
STOCKS: Final = 180
CNY_USD: Final = 0.1634
LOSS_CNY: Final = 194e6
ONSET_NS: Final = at_ns("2013-08-16", "11:05:08", 8)
PARENTS_NS: Final = ONSET_NS - 300 * MS_NS
SPAN: Final = around(ONSET_NS, 35, 85)
CAST: Final = Cast.of("SSE", "etf-arb", "PROP")
INSTRUMENTS: Final = tuple(
    Instrument(
        f"{600_000 + nth}", round(3.2 + (nth * 7 % 61) * 0.6, 2), 0.01, 1, "CNY",
        adv=4_000_000 + (nth * 37 % 97) * 500_000, shares_out=8_000_000_000,
    )
    for nth in range(STOCKS)
)  # fmt: skip
POPULAR: Final = tuple(each.symbol for each in INSTRUMENTS[:12])


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (within(ONSET_NS, 25), 1.0596))
    stage = CAST.stage(
        "everbright", seed, scale, SPAN, INSTRUMENTS, usd={"CNY": CNY_USD}, symbols=POPULAR, lots=(800, 100),
        paths={each.symbol: path for each in INSTRUMENTS},
    )  # fmt: skip
    parents = []
    for nth, each in enumerate(INSTRUMENTS):
        lots = round(SENT_CNY / STOCKS / each.price / 1.0596 / 100)
        at = PARENTS_NS + nth * MS_NS
        parents.append(Parent.accepted(stage, at, "PROP", "etf-arb", each.symbol, "buy", lots * 100))
    counts = [ORDERS // STOCKS + (nth < ORDERS % STOCKS) for nth in range(STOCKS)]
    left = [parent.qty for parent in parents]
    traded = 0.0
    for nth in range(ORDERS):
        which = nth % STOCKS
        sent = ONSET_NS + nth * 2 * SECOND_NS // ORDERS
        each, parent = INSTRUMENTS[which], parents[which]
        qty = max(100, left[which] // counts[which] // 100 * 100) if counts[which] > 1 else left[which]
        left[which] -= qty
        counts[which] -= 1
        limit = round(each.price * 1.1, 2)
        order = Order.sent(stage, CAST.rogue, sent, each.symbol, "buy", qty, limit, parent=parent).acked()
        price = round(each.price * (1 + 0.0596 * nth / ORDERS), 2)
        if stage.luck.random() < TRADED_CNY / SENT_CNY * 1.06 and traded + qty * price < TRADED_CNY:
            traded += qty * price
            order.filled(order.at + 10 * MS_NS + nth * 22 * SECOND_NS // ORDERS, price=price)
        else:
            order.cancelled(within(ONSET_NS, 62 + 18 * nth / ORDERS))
    expected = [
        ("exposure", within(ONSET_NS, 1)), ("rate", within(ONSET_NS, 2)), ("sanity", within(ONSET_NS, 1)),
    ]  # fmt: skip
    return told(stage, PARENTS_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=50e6, rogue_gross=80e6 * CNY_USD, firm_gross=10e9)
EVERBRIGHT: Final = incident(
    "everbright", "23.4 billion yuan of buys within seconds", SPAN, _tell, POLICY, loss=LOSS_CNY * CNY_USD
)

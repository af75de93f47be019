"""Citigroup, London, 2 May 2022: a basket of 444 billion dollars in the place of 58 million.

Facts (FCA and PRA final notices, 22 May 2024): at 08:56 a trader who meant 58 million dollars entered 58
million units, 444 billion dollars in 349 stocks; hard blocks stopped 255 billion, 189 billion went to an
algorithm to be sold through the day; 1.4 billion dollars was sold before the trader cancelled; 711 warnings
in one pop-up; a loss of $48 million.

Assumptions (ours): 349 parents, of which the largest stocks are sold in the proportion of their worth and
the smallest 40 beyond all their shares; 4,000 children until 09:10, 350,000 dollars each; prices fall by 4
%.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.calm import Pace
from monitor.scenarios.cast import Cast, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order, Parent

STOCKS, SMALL = 349, 40
PASSED_USD, SOLD_USD, LOSS_USD = 189e9, 1.4e9, 48e6
CHILDREN: Final = 4_000
ONSET_NS: Final = at_ns("2022-05-02", "08:56:00.3", 1)
CANCELLED_NS: Final = at_ns("2022-05-02", "09:10:00", 1)
SPAN: Final = (ONSET_NS - 40 * SECOND_NS, within(CANCELLED_NS, 20))
CAST: Final = Cast.of("XPAN", "delta1-vwap", "D1", who={"desk": "delta-one", "trader": "t-117"})
EACH_USD: Final = PASSED_USD / STOCKS
INSTRUMENTS: Final = tuple(
    Instrument(
        f"EU{nth:03d}", round(8 + nth * 13 % 97 + 0.5, 2), adv=2_000_000 + (STOCKS - nth) * 20_000,
        shares_out=round(EACH_USD / (8.5 + nth * 13 % 97) * (0.5 if nth >= STOCKS - SMALL else 12)),
    )
    for nth in range(STOCKS)
)  # fmt: skip
POPULAR: Final = tuple(each.symbol for each in INSTRUMENTS[:10])


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage(
        "citi_basket", seed, scale, SPAN, INSTRUMENTS, symbols=POPULAR, pace=Pace(0.3, 1.0), lots=(300, 1),
        marks_but=tuple(each.symbol for each in INSTRUMENTS),
        paths={each.symbol: ((ONSET_NS, 1.0), (CANCELLED_NS, 0.96)) for each in INSTRUMENTS},
    )  # fmt: skip
    parents = []
    for nth, each in enumerate(INSTRUMENTS):
        qty = round(EACH_USD / each.price)
        ts = ONSET_NS + nth * MS_NS
        parents.append(
            Parent.accepted(stage, ts, "D1", "delta1-vwap", each.symbol, "sell", qty, **CAST.rogue.who)
        )
    stage.marks(every_ns=8 * SECOND_NS)
    first = ONSET_NS + SECOND_NS
    for nth in range(CHILDREN):
        sent = first + nth * (CANCELLED_NS - first) // CHILDREN
        parent = parents[nth % STOCKS]
        price = stage.tape.price(parent.symbol, sent, -1)
        qty = round(SOLD_USD / CHILDREN / price)
        Order.sent(stage, CAST.rogue, sent, parent.symbol, "sell", qty, price, parent=parent).acked().filled()
    for nth, parent in enumerate(parents):
        parent.done(CANCELLED_NS + SECOND_NS + nth * MS_NS)
    expected = [("sanity", within(ONSET_NS, 3)), ("exposure", within(ONSET_NS, 130))]
    return told(stage, ONSET_NS, [*CAST.scopes, {"desk": "delta-one"}, {"trader": "t-117"}], expected)


POLICY: Final = CAST.policy(gross=180e6, firm_gross=20e9)
CITI_BASKET: Final = incident(
    "citi_basket", "a basket of 444 billion dollars in the place of 58 million", SPAN, _tell, POLICY,
    loss=LOSS_USD,
)  # fmt: skip

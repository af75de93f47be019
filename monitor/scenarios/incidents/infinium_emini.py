"""Infinium, E-mini Nasdaq 100, 28 October 2009: an order that grows with each replace, 6,958 sold.

Facts (CME 09-06562-BC; Reuters, 25 November 2011): from 8:08:30 Chicago time an order sold 136 December
contracts at 1716.25; two seconds later it was modified to 340 at 1716.00, and on, each time at the
prevailing bid, which traded at once; at 8:08:34 it was filled with a final quantity of 1,086 at 1712.75.
Over the next seven seconds the same went on; 6,958 contracts were sold in error.

Assumptions (ours): five more orders like the first; 2,000 replaces in those seven seconds; the price falls
evenly, to 1703 at the end.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS, Stage
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

SOLD: Final = 6_958
FIRST, FIRST_TOTAL = 136, 1_086
GROWN: Final = (1_174, 1_174, 1_174, 1_174, 1_176)
REPLACES: Final = 400  # of each of the five
ONSET_NS: Final = at_ns("2009-10-28", "08:08:30", -5)
SPAN: Final = around(ONSET_NS, 45, 30)
SYMBOL: Final = "NQZ9"
START, BEFORE_LAST, END = 1716.25, 1712.75, 1703.0
CAST: Final = Cast.of("CME", "index-arb", "P7")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, START, 0.25, 20, asset_class="future", adv=300_000, shares_out=None),
    Instrument("ESZ9", 1058.5, 0.25, 50, asset_class="future", adv=2_000_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    end = within(ONSET_NS, 11)
    path = (
        (ONSET_NS, 1.0), (within(ONSET_NS, 4), BEFORE_LAST / START), (end, END / START),
        (within(end, 15), 0.999),
    )  # fmt: skip
    stage = CAST.stage("infinium_emini", seed, scale, SPAN, INSTRUMENTS, paths={SYMBOL: path})
    stamps = [within(ONSET_NS, 2 + nth * 0.25) for nth in range(8)]
    totals = [340, *(340 + round((FIRST_TOTAL - 340) * nth / 7) for nth in range(1, 8))]
    crossed = _grow(stage, ONSET_NS, list(zip(stamps, totals, strict=True)))
    for nth, total in enumerate(GROWN):
        start = within(ONSET_NS, 4.05 + nth * 1.38)
        steps = [
            (start + (k + 1) * 3_400_000, FIRST + round((total - FIRST) * (k + 1) / REPLACES))
            for k in range(REPLACES)
        ]
        _grow(stage, start, steps)
    expected = [("child_parent", within(crossed, 1)), ("rate", within(ONSET_NS, 7))]
    return told(stage, ONSET_NS, CAST.scopes, expected)


def _grow(stage: Stage, start: int, steps: list[tuple[int, int]]) -> int:
    """One order and its replaces, each filled at once; returns when its total passed five times the first."""
    price = stage.tape.price(SYMBOL, start)
    order = Order.sent(stage, CAST.rogue, start, SYMBOL, "sell", FIRST, price)
    order.acked(start + MS_NS // 2).filled(start + MS_NS)
    crossed = 0
    for ts, total in steps:
        order.replaced(ts, total, stage.tape.price(SYMBOL, ts), MS_NS)
        if order.leaves:
            order.filled(ts + 2 * MS_NS)
        if not crossed and total >= 5 * FIRST:
            crossed = ts + MS_NS
    return crossed


POLICY: Final = CAST.policy(gross=400e6, messages_per_s=125)
INFINIUM_EMINI: Final = incident(
    "infinium_emini", "an order that grows with each replace, 6,958 sold", SPAN, _tell, POLICY
)
assert FIRST_TOTAL + sum(GROWN) == SOLD
assert SPAN[1] > ONSET_NS + 12 * SECOND_NS

"""Traditum, Canadian dollar, 10 November 2011: 3,540 one-lot round trips in two minutes.

Facts (CME 11-8613-BC, 19 December 2014): a bought trading system executed 3,540 one-lot round-turn
transactions, 7,080 contracts, in the December Canadian dollar future within approximately two minutes;
volume spiked.

Assumptions (ours): each lot is bought at the offer and sold at the bid a few milliseconds later, one to
three ticks worse; trips start evenly; one tick is ten dollars.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

TRIPS, LASTED_S = 3_540, 120
ONSET_NS: Final = at_ns("2011-11-10", "09:40:00.1", -6)
SPAN: Final = around(ONSET_NS, 45, 135)
SYMBOL: Final = "6CZ1"
CAST: Final = Cast.of("CME", "vendor-ats", "T1")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 0.9770, 0.0001, 100_000, asset_class="future", adv=90_000, shares_out=None),
    Instrument("6EZ1", 1.3610, 0.0001, 125_000, asset_class="future", adv=300_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage("traditum", seed, scale, SPAN, INSTRUMENTS)
    for nth in range(TRIPS):
        sent = ONSET_NS + nth * LASTED_S * SECOND_NS // TRIPS
        worse = int(stage.luck.integers(1, 4))
        high = stage.tape.price(SYMBOL, sent, 1)
        bought = (
            Order.sent(stage, CAST.rogue, sent, SYMBOL, "buy", 1, high)
            .acked(sent + MS_NS)
            .filled(sent + 2 * MS_NS)
        )
        low = stage.tape.on_grid(SYMBOL, high, -worse)
        sold = Order.sent(stage, CAST.rogue, bought.at + MS_NS, SYMBOL, "sell", 1, low)
        sold.acked(sold.sent_ts + MS_NS).filled(sold.sent_ts + 2 * MS_NS)
    expected = [("repeat", within(ONSET_NS, 3)), ("self_cycle", within(ONSET_NS, 8))]
    return told(stage, ONSET_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=50e6)
TRADITUM: Final = incident("traditum", "3,540 one-lot round trips in two minutes", SPAN, _tell, POLICY)

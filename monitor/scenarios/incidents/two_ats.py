"""TradeForecaster, crude oil spread, 20 January 2015: two systems of one firm feed each other.

Facts (NYMEX notice against TradeForecaster Global Markets; Lexology, 2016): an automatic spreader was not
disengaged before a second system was started that was not designed to run beside it; the two interacted,
the spreader bought continuously, and the June/December 2015 crude oil spread spiked. Fined $115,000. No
counts.

Assumptions (ours): 15 one-lot trades a second between the two for 60 seconds, spreader buying; the spread
goes from 1.10 to 1.50, quoted as what the nearer month is above the farther one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

A_SECOND, LASTED_S = 15, 60
ONSET_NS: Final = at_ns("2015-01-20", "09:05:00.1", -6)
SPAN: Final = around(ONSET_NS, 45, 75)
SYMBOL: Final = "CLM5-Z5"
CAST: Final = Cast.of("NYMEX", "auto-spreader", "TF1", who={"entity": "tfgm"})
SECOND: Final = replace(CAST.rogue, strategy="second-ats", account="TF2", session="R2", wrong=False)
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 1.10, 0.01, 1_000, asset_class="future", adv=20_000, shares_out=None),
    Instrument("CLH5", 47.8, 0.01, 1_000, asset_class="future", adv=400_000, shares_out=None),
    Instrument("CLM5", 50.3, 0.01, 1_000, asset_class="future", adv=90_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (within(ONSET_NS, LASTED_S), 1.50 / 1.10))
    stage = CAST.stage(
        "two_ats", seed, scale, SPAN, INSTRUMENTS, symbols=("CLH5", "CLM5"), paths={SYMBOL: path}
    )
    for nth in range(A_SECOND * LASTED_S):
        sent = ONSET_NS + nth * SECOND_NS // A_SECOND
        price = stage.tape.price(SYMBOL, sent, nth % 3)
        offer = Order.sent(stage, SECOND, sent, SYMBOL, "sell", 1 + nth % 3, price).acked(sent + MS_NS)
        bid = Order.sent(stage, CAST.rogue, sent + 5 * MS_NS, SYMBOL, "buy", 1 + nth % 3, price)
        bid.acked(sent + 6 * MS_NS)
        match = f"M{nth}"
        for side in (bid, offer):
            side.filled(sent + 7 * MS_NS, match_id=match, entity="tfgm")
    both = [{"strategy": CAST.rogue.strategy}, {"strategy": SECOND.strategy}]
    sessions = [{"session": CAST.rogue.session}, {"session": SECOND.session}]
    return told(stage, ONSET_NS, [*both, *sessions], [("self_cycle", within(ONSET_NS, 60 * 0.75))])


POLICY: Final = CAST.policy(gross=50e6)
TWO_ATS: Final = incident("two_ats", "two systems of one firm feed each other", SPAN, _tell, POLICY)

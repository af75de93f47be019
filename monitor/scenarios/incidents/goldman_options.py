"""Goldman Sachs, options, 20 August 2013: 16,000 orders all at one dollar, before the open.

Facts (SEC Release 34-75331): a configuration error made contingent orders live and priced all of them at
$1; approximately 16,000 orders in names that begin with I to K went to the exchanges before the open,
within less than an hour; an employee lifted the circuit breakers that had blocked the router; about 1.5
million contracts traded within minutes after 09:30; losses could have been $500 million and were $38
million after busts and adjustments.

Told: orders from 09:24:00 to 09:28:00, at 09:30 the trades. Assumptions (ours): 120 series worth $0.30 to
$9, sold where they are worth more than $1 and bought where less; breakers lifted at 09:24:40; 4,000 orders
of 375 contracts trade; cancels from 09:28:30 on. The loss is history's, after the busts.
"""

from __future__ import annotations

from typing import Final

from detectors.event import Kind
from monitor.scenarios.calm import Pace
from monitor.scenarios.cast import Cast, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

ORDERS, TRADED, CONTRACTS = 16_000, 4_000, 375
LOSS: Final = 38e6
PRICE: Final = 1.0
SERIES: Final = 120
ONSET_NS: Final = at_ns("2013-08-20", "09:24:00", -4)
OPEN_NS: Final = at_ns("2013-08-20", "09:30:00", -4)
LIFTED_NS: Final = within(ONSET_NS, 40)
SPAN: Final = (ONSET_NS - 40 * SECOND_NS, within(OPEN_NS, 60))
CAST: Final = Cast.of("CBOE", "axe-match", "VOL1")
INSTRUMENTS: Final = tuple(
    Instrument(
        f"{'IJK'[nth % 3]}{'BWRPYQ'[nth % 6]}{nth:03d}C",
        round(0.3 * 30 ** (nth / (SERIES - 1)), 2), 0.01, 100,
        asset_class="option", adv=60_000, shares_out=None,
    )
    for nth in range(SERIES)
)  # fmt: skip
POPULAR: Final = tuple(each.symbol for each in INSTRUMENTS[::10])


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage(
        "goldman_options", seed, scale, SPAN, INSTRUMENTS, symbols=POPULAR, phase="pre_open",
        pace=Pace(0.15, 1.0), lots=(8, 1), marks_but=tuple(each.symbol for each in INSTRUMENTS),
    )  # fmt: skip
    stage.marks(every_ns=5 * SECOND_NS)
    stage.say(Kind.SESSION_PHASE, OPEN_NS, CAST.venue, "market", venue=CAST.venue, phase="open")
    stage.say(
        Kind.LIMIT_CHANGE, LIFTED_NS, "mission-control", "control", actor="mission-control",
        reason="believed a duplicate alarm, lifted the block",
        key="circuit_breaker:R1", before="on", after="off",
    )  # fmt: skip
    wrong = [each for each in INSTRUMENTS if not 0.6 < each.price < 1.7]
    step = 240 * SECOND_NS // ORDERS
    for nth in range(ORDERS):
        each = wrong[int(stage.luck.integers(len(wrong)))]
        side = "sell" if each.price > PRICE else "buy"
        sent = ONSET_NS + nth * step
        order = Order.sent(stage, CAST.rogue, sent, each.symbol, side, CONTRACTS, PRICE).acked()
        if nth % (ORDERS // TRADED) == 0:
            order.filled(within(OPEN_NS, 1) + nth * 40 * SECOND_NS // ORDERS, price=PRICE)
        else:
            order.cancelled(within(ONSET_NS, 270) + nth * 55 * SECOND_NS // ORDERS + MS_NS)
    expected = [("sanity", within(ONSET_NS, 2)), ("control", within(LIFTED_NS, 1))]
    return told(stage, ONSET_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=400e6, firm_gross=20e9)
GOLDMAN_OPTIONS: Final = incident(
    "goldman_options", "16,000 orders all at one dollar, before the open", SPAN, _tell, POLICY, loss=LOSS
)

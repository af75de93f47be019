"""Marquette, Lean Hogs, 22 October 2019: what is cancelled by hand is entered again.

Facts (CME notice of disciplinary action against Marquette Trading Partners): an untested system, in the
pre-open of December Lean Hogs at limit up, entered continuous ten-lot orders, a large percentage of what
rested; instead of shutting it down a small percentage was cancelled by hand, and it entered identical
orders again until it was shut down. Fined $35,000.

Assumptions (ours): 80 orders a second for five seconds; 40 are cancelled by hand from 30 seconds on, one a
second, each entered again 15 ms later, under whatever halt there is by then; it is shut down after 75
seconds.  That the halt leaks shows only where a gate has said that it holds: a stream alone has no gates.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

A_SECOND, LASTED_S, BY_HAND, LOTS = 80, 5, 40, 10
ONSET_NS: Final = at_ns("2019-10-22", "08:20:00.1", -5)
HAND_NS: Final = within(ONSET_NS, 30)
SPAN: Final = around(ONSET_NS, 45, 90)
SYMBOL: Final = "HEZ9"
LIMIT_UP: Final = 70.4
CAST: Final = Cast.of("CME", "hogs-untested", "MQ1")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 67.4, 0.025, 400, asset_class="future", adv=25_000, shares_out=None),
    Instrument("LEZ9", 112.1, 0.025, 400, asset_class="future", adv=25_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage(
        "marquette", seed, scale, SPAN, INSTRUMENTS, phase="pre_open", symbols=("LEZ9",),
        paths={SYMBOL: ((SPAN[0], LIMIT_UP / 67.4),)},
    )  # fmt: skip
    resting = [
        Order.sent(
            stage, CAST.rogue, ONSET_NS + nth * SECOND_NS // A_SECOND, SYMBOL, "buy", LOTS, LIMIT_UP
        ).acked()
        for nth in range(A_SECOND * LASTED_S)
    ]
    for nth in range(BY_HAND):
        order = resting[nth]
        asked = HAND_NS + nth * SECOND_NS
        order.cancelled(asked)
        Order.sent(stage, CAST.rogue, order.at + 15 * MS_NS, SYMBOL, "buy", LOTS, LIMIT_UP).acked()
    expected = [("repeat", within(ONSET_NS, 2))]
    return told(stage, ONSET_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=200e6)
MARQUETTE: Final = incident("marquette", "what is cancelled by hand is entered again", SPAN, _tell, POLICY)

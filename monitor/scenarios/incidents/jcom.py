"""Mizuho, J-COM, 8 December 2005: 610,000 shares at one yen in the place of one share at 610,000.

Facts (Tokyo District Court, 4 December 2009; Tokyo Stock Exchange): at 09:27:56 on its first day a sell
order for 610,000 shares at 1 yen, 41 times the 14,500 shares outstanding; the first price was 672,000, at
09:30 it traded at the lower limit of 572,000; cancels from 09:29:21 on failed; from 09:35:33 Mizuho bought
back; a loss of over 40 billion yen.

Assumptions (ours): three cancels fail; 96,000 shares are sold to others, the rest is bought back from
itself within two minutes, in 400 orders; the venue holds the one yen at the limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitor.scenarios.cast import Cast, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

QTY, OUTSTANDING = 610_000, 14_500
REFERENCE, LIMIT_DOWN = 610_000.0, 572_000.0
OTHERS: Final = 96_000
LOSS_JPY, JPY_USD = 40.7e9, 1 / 120.5
ONSET_NS: Final = at_ns("2005-12-08", "09:27:56", 9)
CANCELS_NS: Final = tuple(at_ns("2005-12-08", time, 9) for time in ("09:29:21", "09:33:17", "09:35:02"))
OPENED_NS: Final = at_ns("2005-12-08", "09:30:00", 9)
BUYS_BACK_NS: Final = at_ns("2005-12-08", "09:35:33", 9)
SPAN: Final = (ONSET_NS - 40 * SECOND_NS, at_ns("2005-12-08", "09:37:40", 9))
SYMBOL: Final = "2462"
CAST: Final = Cast.of("TSE", "desk-orders", "EQ1", who={"trader": "t-4"})
INSTRUMENTS: Final = (
    Instrument(SYMBOL, REFERENCE, 1_000, 1, "JPY", adv=0, shares_out=OUTSTANDING),
    Instrument("7203", 5_900, 10, 1, "JPY", adv=8_000_000, shares_out=3_600_000_000),
    Instrument("6758", 4_400, 10, 1, "JPY", adv=7_000_000, shares_out=1_000_000_000),
    Instrument("8411", 840_000, 1_000, 1, "JPY", adv=90_000, shares_out=12_000_000),
)


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (within(ONSET_NS, 60), 1.1), (OPENED_NS, LIMIT_DOWN / REFERENCE))
    stage = CAST.stage(
        "jcom", seed, scale, SPAN, INSTRUMENTS, usd={"JPY": JPY_USD}, symbols=("7203", "6758"),
        lots=(300, 100), paths={SYMBOL: path},
    )  # fmt: skip
    order = Order.sent(stage, CAST.rogue, ONSET_NS, SYMBOL, "sell", QTY, 1.0, origin="manual").acked()
    for nth, ts in enumerate(CANCELS_NS):
        order.cancel_asked(ts).cancel_refused(ts + 40 * MS_NS, f"busy, try again {nth}")
    sold = 0
    while sold < OTHERS:
        qty = int(stage.luck.integers(50, 451))
        ts = OPENED_NS + sold * 300 * SECOND_NS // OTHERS
        order.filled(ts, min(qty, OTHERS - sold), LIMIT_DOWN)
        sold += min(qty, OTHERS - sold)
    back = replace(CAST.clean, strategy="buy-back", session="R2")
    each = (QTY - OTHERS) // 400
    for nth in range(400):
        sent = BUYS_BACK_NS + nth * 110 * SECOND_NS // 400
        qty = each if nth < 399 else QTY - OTHERS - 399 * each
        buy = Order.sent(stage, back, sent, SYMBOL, "buy", qty, LIMIT_DOWN, origin="manual").acked()
        buy.filled(buy.at + MS_NS)
        order.filled(buy.at, qty, LIMIT_DOWN)
    return told(stage, ONSET_NS, [*CAST.scopes, {"trader": "t-4"}], [("sanity", within(ONSET_NS, 1))])


POLICY: Final = CAST.policy(gross=200e6, firm_gross=20e9)
JCOM: Final = incident(
    "jcom", "610,000 shares at one yen in the place of one share at 610,000", SPAN, _tell, POLICY,
    loss=LOSS_JPY * JPY_USD,
)  # fmt: skip

"""UBS, Facebook's first day, 18 May 2012: orders that nobody confirms are sent again, and all fill.

Facts (UBS, second quarter 2012; SEC Release 34-69655): the stock opened at 11:30; Nasdaq's confirmations
were stuck until 13:50; UBS's system re-entered orders several times as they were not confirmed; all were
filled; it lost 349 million Swiss francs.

Told: the first minutes, with the 140 minutes of silence cut to two. Assumptions (ours): 400 customer orders
of about 1,000 shares in the first minute, each sent again every three seconds until it was sent eight
times; the open at 42.05, 38.50 when the confirmations came. The gross is of what is told, the loss is
history's.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order, Parent

CUSTOMERS, TIMES, EVERY_S = 400, 8, 3.0
LOSS_CHF, CHF_USD = 349e6, 1.06
ONSET_NS: Final = at_ns("2012-05-18", "11:30:00.2", -4)
SILENT_S: Final = 120
SPAN: Final = around(ONSET_NS, 40, SILENT_S + 25)
SYMBOL: Final = "FB"
CAST: Final = Cast.of("NSDQ", "retail-mm", "FAC")
INSTRUMENTS: Final = (
    Instrument(SYMBOL, 42.05, adv=80_000_000, shares_out=2_138_000_000),
    Instrument("AAPL", 530.0, adv=20_000_000), Instrument("MSFT", 29.3, adv=50_000_000),
    Instrument("ZNGA", 8.2, adv=20_000_000), Instrument("ORCL", 26.1, adv=30_000_000),
)  # fmt: skip


def _tell(seed: int, scale: float) -> Told:
    path = ((ONSET_NS, 1.0), (within(ONSET_NS, SILENT_S), 38.5 / 42.05))
    stage = CAST.stage(
        "ubs_facebook", seed, scale, SPAN, INSTRUMENTS, symbols=("AAPL", "MSFT", "ZNGA", "ORCL"),
        lots=(300, 1), paths={SYMBOL: path},
    )  # fmt: skip
    heard = within(ONSET_NS, SILENT_S)
    for nth in range(CUSTOMERS):
        first = ONSET_NS + nth * 60 * SECOND_NS // CUSTOMERS
        qty = int(stage.luck.integers(8, 13)) * 100
        parent = Parent.accepted(stage, first - 5 * MS_NS, "FAC", "retail-mm", SYMBOL, "buy", qty)
        for again in range(TIMES):
            sent = within(first, again * EVERY_S) + int(stage.luck.integers(20 * MS_NS))
            order = Order.sent(stage, CAST.rogue, sent, SYMBOL, "buy", qty, 43.0, parent=parent)
            told_at = heard + (nth * TIMES + again) * 3 * MS_NS
            order.acked(told_at).filled(told_at + MS_NS, price=stage.tape.price(SYMBOL, sent))
    expected = [("fill_gap", within(ONSET_NS, 8)), ("repeat", within(ONSET_NS, 16))]
    return told(stage, ONSET_NS, [*CAST.scopes, {"host": CAST.rogue.host.name}], expected)


POLICY: Final = CAST.policy(gross=2e9, firm_gross=4e9)
UBS_FACEBOOK: Final = incident(
    "ubs_facebook", "orders that nobody confirms are sent again, and all fill", SPAN, _tell, POLICY,
    loss=LOSS_CHF * CHF_USD,
)  # fmt: skip

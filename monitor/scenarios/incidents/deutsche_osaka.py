"""Deutsche Securities, Osaka, 1 June 2010: one order 6,910 times, 16.7 trillion yen.

Facts (the firm's statements of 1, 2 and 16 June and 16 July 2010; Osaka Securities Exchange): from the open
at 09:00 its proprietary system sent an order 6,910 times, 1.24 million Nikkei 225 futures and 4.82 million
minis, 16.7 trillion yen, because a price was not obtained and the future was valued at zero; cancels began
within tens of seconds, all over within two minutes; 99.7 % was cancelled, 55 billion yen traded, between
9,690 and 9,700.

Assumptions (ours): every second order is in the mini, all of one size and at 9,690; half of them leave in
the first 12 seconds, the rest until 09:01; cancels run from 09:00:40 to 09:01:50; zero stands in the marks.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

ORDERS: Final = 6_910
BIG, MINI = 359, 1_395  # contracts of each order
LIMIT: Final = 9_690.0
FILLED: Final = {"NKM0": 14, "NKMM0": 5}  # orders of each that trade
ONSET_NS: Final = at_ns("2010-06-01", "09:00:00.5", 9)
SPAN: Final = around(ONSET_NS, 40, 125)
YEN_USD: Final = 1 / 91.0
CAST: Final = Cast.of("OSE", "aqt-etf-arb", "AQT")
INSTRUMENTS: Final = (
    Instrument("NKM0", 9_760, 10, 1_000, "JPY", "future", adv=85_000, shares_out=None),
    Instrument("NKMM0", 9_760, 5, 100, "JPY", "future", adv=420_000, shares_out=None),
    Instrument("1321", 9_870, 10, 1, "JPY", adv=400_000, shares_out=170_000_000),
    Instrument("1330", 9_880, 10, 1, "JPY", adv=60_000, shares_out=30_000_000),
)


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage(
        "deutsche_osaka", seed, scale, SPAN, INSTRUMENTS, usd={"JPY": YEN_USD}, symbols=("1321", "1330"),
        lots=(40, 1), marks_but=("NKM0", "NKMM0"), trade_date="2010-06-01",
    )  # fmt: skip
    for symbol in ("NKM0", "NKMM0"):
        low = within(ONSET_NS, 60)
        stage.tape.moves(symbol, (ONSET_NS, 0.9995), (low, 9_650 / 9_760), (within(low, 60), 9_750 / 9_760))
        for ts in range(SPAN[0] + 30 * MS_NS, SPAN[1], SECOND_NS):
            is_lost = ts > ONSET_NS - 3 * SECOND_NS
            stage.mark(symbol, ts, 0.0 if is_lost else stage.tape.price(symbol, ts))
    left = dict(FILLED)
    for nth in range(ORDERS):
        half = ORDERS // 2
        since = 12.0 * nth / half if nth < half else 12 + 48.0 * (nth - half) / (ORDERS - half)
        sent = within(ONSET_NS, since)
        symbol, qty = ("NKM0", BIG) if nth % 2 == 0 else ("NKMM0", MINI)
        order = Order.sent(stage, CAST.rogue, sent, symbol, "sell", qty, LIMIT).acked()
        if left[symbol]:
            left[symbol] -= 1
            order.filled(order.at + 200 * MS_NS, price=LIMIT + 10)
        else:
            order.cancelled(
                within(ONSET_NS, 61 + 50 * nth / ORDERS) if since > 40 else within(sent, 40 + since)
            )
    expected = [
        ("exposure", within(ONSET_NS, 1)), ("repeat", within(ONSET_NS, 2)), ("sanity", within(ONSET_NS, 5)),
    ]  # fmt: skip
    return told(stage, ONSET_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=500e6, firm_gross=250e9)
DEUTSCHE_OSAKA: Final = incident(
    "deutsche_osaka", "one order 6,910 times, 16.7 trillion yen", SPAN, _tell, POLICY
)

"""HanMag Securities, Seoul, 12 December 2013: 36,100 orders far through the market in 143 seconds.

Facts (Financial Times, 30 December 2013 and 29 August 2014; JoongAng Daily, 13 December 2013): at about
09:02 on an expiry day an automated program sent 36,100 orders in 24 KOSPI 200 calls and 18 puts, which sold
far below and bought far above the market; 143 seconds; 46.2 billion won lost; capital of 20 billion won.

Assumptions (ours): two contracts an order, each 1.28 points through its worth, which is 1.30 to 2.35
points: the published loss; every order fills at once and its fill is its answer; orders leave evenly.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import SECOND_NS
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order

ORDERS, LASTED_S = 36_100, 143
CONTRACTS, THROUGH = 2, 1.28
KRW_USD: Final = 1 / 1_055.0
WON_A_POINT: Final = 500_000
ONSET_NS: Final = at_ns("2013-12-12", "09:02:10", 9)
SPAN: Final = around(ONSET_NS, 40, 165)
CAST: Final = Cast.of("KRX", "option-quant", "PROP")
INSTRUMENTS: Final = tuple(
    Instrument(
        f"K2{'C' if nth < 24 else 'P'}{nth:02d}", 1.30 + 0.025 * nth, 0.01, WON_A_POINT, "KRW", "option",
        adv=400_000, shares_out=None,
    )
    for nth in range(42)
)  # fmt: skip
POPULAR: Final = tuple(each.symbol for each in INSTRUMENTS[::6])


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage(
        "hanmag", seed, scale, SPAN, INSTRUMENTS, usd={"KRW": KRW_USD}, symbols=POPULAR, lots=(8, 1)
    )
    for nth in range(ORDERS):
        each = INSTRUMENTS[int(stage.luck.integers(len(INSTRUMENTS)))]
        sent = ONSET_NS + nth * LASTED_S * SECOND_NS // ORDERS
        side = "buy" if stage.luck.random() < 0.5 else "sell"
        price = round(each.price + (THROUGH if side == "buy" else -THROUGH), 4)
        Order.sent(stage, CAST.rogue, sent, each.symbol, side, CONTRACTS, price).filled()
    expected = [
        ("sanity", within(ONSET_NS, 1)), ("rate", within(ONSET_NS, 3)), ("loss", within(ONSET_NS, 15)),
    ]  # fmt: skip
    return told(stage, ONSET_NS, CAST.scopes, expected)


POLICY: Final = CAST.policy(gross=200e6, messages_per_s=100, loss=2_000_000)
HANMAG: Final = incident("hanmag", "36,100 orders far through the market in 143 seconds", SPAN, _tell, POLICY)

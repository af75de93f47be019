"""NYSE, 24 January 2023: the opening auction fails, 4,341 trades in 251 symbols are busted.

Facts (NYSE's notices of 24 and 25 January 2023): a disaster recovery system left running made the exchange
treat the open as past (nothing of it may trip a monitor); over 250 stocks opened without an auction, some
far from where they had closed; 4,341 trades in 251 symbols were busted.

Assumptions (ours): all of them are this firm's, of 600 accounts, each the one child of a parent of its own,
filled in the first 90 seconds, within the price bands; they are busted from 09:36 to 09:38, when the stage
is told again; the order system takes each bust back within a second. The quarter of an hour in between is
left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from detectors.event import Kind
from monitor.scenarios.calm import Pace
from monitor.scenarios.cast import Cast, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import MS_NS, SECOND_NS, delay_ns
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order, Parent, busted

TRADES, SYMBOLS, ACCOUNTS = 4_341, 251, 600
OPEN_NS: Final = at_ns("2023-01-24", "09:30:00", -5)
BUSTS_NS: Final = within(OPEN_NS, 210)
SPAN: Final = (OPEN_NS - 20 * SECOND_NS, within(OPEN_NS, 360))
CAST: Final = Cast.of("NYSE", "retail", "RT1")
INSTRUMENTS: Final = tuple(
    Instrument(
        f"{'ABCDEFGHKLMN'[nth % 12]}{'AEIOUY'[nth // 12 % 6]}{'BCDGKLMNPR'[nth % 10]}{nth // 72 or ''}",
        round(12 + nth * 17 % 180 + 0.25, 2), adv=3_000_000,
    )
    for nth in range(SYMBOLS)
)  # fmt: skip
POPULAR: Final = tuple(each.symbol for each in INSTRUMENTS[:12])


def _tell(seed: int, scale: float) -> Told:
    paths = {each.symbol: _path(1.06 if nth % 2 else 0.94) for nth, each in enumerate(INSTRUMENTS)}
    stage = CAST.stage(
        "nyse_busts", seed, scale, SPAN, INSTRUMENTS, symbols=POPULAR, pace=Pace(0.7, 2.0), lots=(300, 1),
        marks_but=tuple(paths), paths=paths,
    )  # fmt: skip
    stage.marks(every_ns=6 * SECOND_NS)
    lines = [
        replace(CAST.working[2 * (k % 3)], account=f"RT{k:03d}", strategy="retail") for k in range(ACCOUNTS)
    ]
    for nth in range(TRADES):
        each, line = INSTRUMENTS[nth % SYMBOLS], lines[int(stage.luck.integers(ACCOUNTS))]
        sent = within(OPEN_NS, 0.5 + 88 * (nth / TRADES) ** 1.5)
        side = ("buy", "sell")[int(stage.luck.integers(2))]
        qty = int(stage.luck.integers(1, 9)) * 25
        parent = Parent.accepted(stage, sent, line.account, line.strategy, each.symbol, side, qty)
        at = sent + 10 * MS_NS + int(stage.luck.integers(20 * MS_NS))
        price = stage.tape.price(each.symbol, at, int(stage.luck.integers(-3, 4)))
        order = Order.sent(stage, line, at, each.symbol, side, qty, price, parent=parent).acked().filled()
        parent.done()
        bust = BUSTS_NS + nth * 120 * SECOND_NS // TRADES
        busted(stage, order, order.fills[0], bust)
        lag = delay_ns(stage.luck, 200, 0.6, 20, 1_000)
        parent.say(Kind.PARENT_FILL, bust + lag, last_qty=qty, last_px=price, cum_qty=0)
    return told(stage)


def _path(times: float) -> tuple[tuple[int, float], ...]:
    return (OPEN_NS, times), (within(OPEN_NS, 90), times), (within(OPEN_NS, 110), 1.0)


POLICY: Final = CAST.policy(gross=60e6)
NYSE_BUSTS: Final = incident(
    "nyse_busts", "4,341 trades in 251 symbols are busted; nothing may trip", SPAN, _tell, POLICY
)

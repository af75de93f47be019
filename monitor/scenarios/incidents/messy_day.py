"""The messy day: all that real firms do and a naive monitor trips over, at once.  Nothing may trip.

Overnight positions; amended parents, done ones re-opened; a replace that re-opens a filled order; execution
ids equal on two venues; order ids that come back with the next trade date; sweeps of one order to eight
venues; immediate orders tried again until filled; conditional orders in many places; one-lot spreads as
package and legs; manual and external fills; day orders that just end; on-close orders that are locked;
bookings three seconds late at the open; a host 300 ms fast; a bad mark; futures, other currencies; a router
that names no parent, or a new one each time.

Assumptions (ours): all of it, a few times a minute each, beside the flow of a clean open.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from detectors.event import Kind
from monitor.scenarios.calm import Pace, trade
from monitor.scenarios.clean import INSTRUMENTS, ROUTERS, VENUES, WORKING, Span, clean, day, new_york
from monitor.scenarios.stage import MS_NS, SECOND_NS, Host, Line, Stage, key_of
from monitor.scenarios.tape import Instrument
from monitor.scenarios.trading import Order, Parent

SPAN: Final = Span("09:29:00", 15)
OPENED_NS: Final = new_york("09:30:00")
SWEPT: Final = (*VENUES, "EDGX", "IEX", "MEMX", "BYX")
LEGACY: Final = Host("lg-1", role="legacy", build="l-1999")
FUTURES: Final = Host("fx-1", role="futures", build="f3")
ABROAD: Final = (
    Instrument("ESM4", 5_130.0, 0.25, 50, asset_class="future", adv=1_500_000, shares_out=None),
    Instrument("ESU4", 5_190.0, 0.25, 50, asset_class="future", adv=200_000, shares_out=None),
    Instrument("ESM4-ESU4", 60.0, 0.05, 50, asset_class="future", adv=200_000, shares_out=None),
    Instrument("FDAX", 17_820.0, 1, 25, "EUR", "future", adv=40_000, shares_out=None),
    Instrument("7203", 3_480.0, 1, 1, "JPY", adv=30_000_000),
)
OPEN_LAG_NS: Final = 3 * SECOND_NS


def _tell(seed: int, scale: float) -> Stage:
    def prepare(stage: Stage) -> None:
        stage.fast[ROUTERS[2].name] = 300 * MS_NS

    stage = day(
        "messy_day", seed, scale, SPAN, prepare=prepare, hosts=(LEGACY, FUTURES), instruments=ABROAD,
        usd={"EUR": 1.09, "JPY": 1 / 147.0}, venues=(*SWEPT, "CME", "EUREX", "XTKS"),
        pace=Pace(0.8, 3.0, lambda ts: 0.0 if ts < OPENED_NS else 1 + 5 * math.exp(-(ts - OPENED_NS) / 9e10)),
    )  # fmt: skip
    _last_night(stage)
    for nth in range(60):
        at = OPENED_NS + nth * 13 * SECOND_NS + int(stage.luck.integers(5 * SECOND_NS))
        line = WORKING[int(stage.luck.integers(len(WORKING)))]
        symbol = INSTRUMENTS[int(stage.luck.integers(len(INSTRUMENTS)))].symbol
        _amended(stage, line, symbol, at)
        _reopened(stage, line, symbol, at + SECOND_NS)
        _equal_executions(stage, line, symbol, at + 2 * SECOND_NS)
        _sweep(stage, line, symbol, at + 3 * SECOND_NS)
        _tried_again(stage, line, symbol, at + 4 * SECOND_NS)
        _conditional(stage, line, symbol, at + 5 * SECOND_NS)
        _spread(stage, at + 6 * SECOND_NS)
        _told_outside(stage, symbol, at + 7 * SECOND_NS)
        _legacy(stage, symbol, at + 8 * SECOND_NS, nth)
    _late_bookings(stage)
    _ends(stage)
    stage.mark("IBM", OPENED_NS + 200 * SECOND_NS, stage.tape.of["IBM"].price * 10)
    for symbol, venue, account in (("ESM4", "CME", "F1"), ("FDAX", "EUREX", "F2"), ("7203", "XTKS", "F3")):
        lines = [Line(FUTURES, f"X{venue}", venue, account, "cta")]
        lots = (400, 100) if venue == "XTKS" else (4, 1)
        trade(stage, lines, Pace(0.15), symbols=(symbol,), lots=lots, start_ns=OPENED_NS, name=f"cta{symbol}")
    return stage


def _child(stage: Stage, line: Line, parent: Parent, ts: int, qty: int, ticks: int = 0, **more: Any) -> Order:
    price = stage.tape.price(parent.symbol, ts, ticks)
    return Order.sent(stage, line, ts, parent.symbol, parent.side, qty, price, parent=parent, **more)


def _accepted(stage: Stage, line: Line, symbol: str, ts: int, qty: int) -> Parent:
    side = ("buy", "sell")[int(stage.luck.integers(2))]
    return Parent.accepted(stage, ts, line.account, line.strategy, symbol, side, qty)


def _last_night(stage: Stage) -> None:
    """The night session of the trade date before, whose order ids come back today."""
    line = Line(FUTURES, "XCME", "CME", "F1", "cta")
    for date, start in (("2024-03-07", stage.start_ns + 10 * SECOND_NS), (None, OPENED_NS + 30 * SECOND_NS)):
        stage.trade_date = date
        for nth in range(12):
            ts = start + nth * SECOND_NS
            price = stage.tape.price("ESM4", ts)
            Order.sent(stage, line, ts, "ESM4", "sell", 1 + nth % 3, price, name=f"N{nth}").acked().filled()
    stage.trade_date = None


def _amended(stage: Stage, line: Line, symbol: str, ts: int) -> None:
    parent = _accepted(stage, line, symbol, ts, 300)
    _child(stage, line, parent, ts + 20 * MS_NS, 300).acked().filled()
    parent.replaced(ts + 400 * MS_NS, 900)
    _child(stage, line, parent, ts + 450 * MS_NS, 600).acked().filled()
    parent.done()


def _reopened(stage: Stage, line: Line, symbol: str, ts: int) -> None:
    """The parent is done and comes back larger; the order is filled, and a replace gives it more."""
    parent = _accepted(stage, line, symbol, ts, 200)
    order = _child(stage, line, parent, ts + 20 * MS_NS, 200).acked().filled(ts + 150 * MS_NS)
    parent.done(ts + 700 * MS_NS)
    parent.replaced(ts + 2 * SECOND_NS, 500)
    order.replaced(ts + 2 * SECOND_NS + 60 * MS_NS, 500, order.price)
    order.filled(order.at + 100 * MS_NS)
    parent.done()


def _equal_executions(stage: Stage, line: Line, symbol: str, ts: int) -> None:
    parent = _accepted(stage, line, symbol, ts, 200)
    for nth, venue in enumerate(("NYSE", "ARCA")):
        there = replace(line, venue=venue, session=f"{venue[:2]}{line.host.name[-1]}")
        order = _child(stage, there, parent, ts + (20 + nth) * MS_NS, 100).acked()
        order.filled(exec_id=f"E{ts // SECOND_NS % 100_000}")
    parent.done()


def _sweep(stage: Stage, line: Line, symbol: str, ts: int) -> None:
    """One order to eight venues in one millisecond, at one price, each for its share."""
    parent = _accepted(stage, line, symbol, ts, 800)
    for nth, venue in enumerate(SWEPT):
        there = replace(line, venue=venue, session=f"{venue[:2]}{line.host.name[-1]}")
        order = _child(stage, there, parent, ts + 20 * MS_NS + nth * 100_000, 100, 3, tif="ioc").acked()
        order.filled() if nth % 4 else order.out(order.at + MS_NS, "ioc")
    parent.done()


def _tried_again(stage: Stage, line: Line, symbol: str, ts: int) -> None:
    """Immediate orders for what is left, each a tenth of a second after the last, most of them in vain."""
    parent, left, at = _accepted(stage, line, symbol, ts, 1_000), 1_000, ts + 20 * MS_NS
    for nth in range(8):
        order = _child(stage, line, parent, at, left, 2, tif="ioc").acked()
        if nth in (3, 6, 7):
            got = left if nth == 7 else left // 2
            order.filled(qty=got)
            left -= got
        if order.leaves:
            order.out(order.at + MS_NS, "ioc")
        at = order.at + 100 * MS_NS
    parent.done()


def _conditional(stage: Stage, line: Line, symbol: str, ts: int) -> None:
    """The whole quantity rests in four dark places by design; one firms up, the others go."""
    parent = _accepted(stage, line, symbol, ts, 5_000)
    resting = []
    for nth, venue in enumerate(("DK1", "DK2", "DK3", "DK4")):
        there = replace(line, venue=venue, session=f"{venue}-{line.host.name[-1]}")
        resting.append(_child(stage, there, parent, ts + (20 + nth) * MS_NS, 5_000, conditional=True).acked())
    for order in resting:
        order.cancelled(ts + 2 * SECOND_NS)
    firm = _child(stage, resting[1].line, parent, ts + 2 * SECOND_NS + 200 * MS_NS, 5_000)
    firm.acked().filled(qty=2_000).filled()
    parent.done()


def _spread(stage: Stage, ts: int) -> None:
    """One lot of a calendar spread: the package is told, and both legs."""
    line = Line(FUTURES, "XCME", "CME", "F4", "roll")
    price = stage.tape.price("ESM4-ESU4", ts)
    order = Order.sent(stage, line, ts, "ESM4-ESU4", "buy", 1, price, multileg="package").acked()
    order.filled(multileg="package")
    key = key_of(line.account)
    for symbol, side in (("ESM4", "buy"), ("ESU4", "sell")):
        stage.say(
            Kind.FILL, order.at, key, "drop_copy", venue=line.venue, exec_id=f"X{order.name}.{symbol}",
            order_id=order.name, account=line.account, symbol=symbol, side=side, last_qty=1,
            last_px=stage.tape.price(symbol, ts), multileg="leg", stream=key,
        )  # fmt: skip


def _told_outside(stage: Stage, symbol: str, ts: int) -> None:
    """Trades made by telephone, and elsewhere: no order of ours was ever announced."""
    key = key_of("C01")
    for origin in ("manual", "external"):
        name = f"{origin}-{stage.ids()}"
        stage.say(
            Kind.FILL, ts, key, "drop_copy", venue="OTC", exec_id=f"X{name}", order_id=name, account="C01",
            symbol=symbol, side="buy" if origin == "manual" else "sell", last_qty=1_000,
            last_px=stage.tape.price(symbol, ts), origin=origin, stream=key,
        )  # fmt: skip


def _legacy(stage: Stage, symbol: str, ts: int, nth: int) -> None:
    """A router that names no parent, or makes up a new one each time, and was never declared to do better."""
    line = Line(LEGACY, "LG1", "NYSE", "L1", "legacy")
    for k in range(4):
        sent = ts + k * 400 * MS_NS
        invented = f"Z{stage.ids()}" if nth % 2 else None
        price = stage.tape.price(symbol, sent, k)
        order = Order.sent(stage, line, sent, symbol, "buy", 50 + 10 * k, price, parent_id=invented)
        order.acked().filled()


def _late_bookings(stage: Stage) -> None:
    """In the first minute the order system books three seconds late."""
    for nth in range(120):
        line, at = WORKING[nth % len(WORKING)], OPENED_NS + SECOND_NS + nth * 480 * MS_NS
        parent = _accepted(stage, line, INSTRUMENTS[nth % 12].symbol, at, 100)
        order = _child(stage, line, parent, at + 20 * MS_NS, 100)
        order.booking_ns = OPEN_LAG_NS - int(stage.luck.integers(SECOND_NS))
        order.acked().filled()
        parent.done()


def _ends(stage: Stage) -> None:
    """On-close orders that cannot be cancelled any more, and day orders that a closing venue just ends."""
    line, at = WORKING[0], OPENED_NS + 300 * SECOND_NS
    for nth in range(10):
        parent = _accepted(stage, line, INSTRUMENTS[nth].symbol, at + nth * SECOND_NS, 400)
        order = _child(stage, line, parent, at + nth * SECOND_NS + 20 * MS_NS, 400, tif="cls").acked()
        order.cancel_asked(at + (60 + nth) * SECOND_NS)
        order.cancel_refused(order.at + 3 * MS_NS, "on-close orders are locked")
    tokyo = Line(FUTURES, "XTK2", "XTKSN", "F3", "cta")
    for nth in range(10):
        ts = at + nth * SECOND_NS
        Order.sent(stage, tokyo, ts, "7203", "buy", 100, stage.tape.price("7203", ts, -30 - nth)).acked()
    ended = at + 60 * SECOND_NS
    stage.say(Kind.SESSION_PHASE, ended, "XTKSN", "market", venue="XTKSN", phase="closed")


MESSY_DAY: Final = clean(
    "messy_day", "all that real firms do, at once; nothing may trip", SPAN, _tell,
    manifest=[
        {"role": "legacy", "hosts": ["lg-*"], "count": 1, "build": LEGACY.build},
        {"role": "futures", "hosts": ["fx-*"], "count": 1, "build": FUTURES.build},
    ],
    hosts=["lg-*", "fx-*"],
    limits=[{"scope": f"account=F{nth}", "gross": 1e9, "net": 1e9} for nth in (1, 2, 3, 4)],
    firm_gross=4e9,
)  # fmt: skip

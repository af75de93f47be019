"""Ten ordinary days on which nothing may trip: what is violent in them is what happens on any day.

Assumptions (ours): all of it; the flow is `calm`'s, the firm is `clean`'s.  An open is silent first and then
eight times as busy; a close ends its day orders; a halted market re-opens 8 % higher; a venue that
is slow answers within two seconds; a restarted host is down for eight seconds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from detectors.event import Kind
from monitor.scenarios.calm import Pace, trade
from monitor.scenarios.clean import (
    INSTRUMENTS,
    NAMES,
    ROUTERS,
    VENUES,
    WORKING,
    Span,
    clean,
    day,
    new_york,
)  # fmt: skip
from monitor.scenarios.scenario import Scenario
from monitor.scenarios.stage import MS_NS, SECOND_NS, Host, Line, Stage, delay_ns, key_of
from monitor.scenarios.trading import Order, Parent, busted

MINUTE_NS: Final = 60 * SECOND_NS


def _phase(stage: Stage, ts: int, phase: str) -> None:
    for nth, venue in enumerate(VENUES):
        stage.say(Kind.SESSION_PHASE, ts + nth * MS_NS, venue, "market", venue=venue, phase=phase)


def _auction(stage: Stage, sent_ns: int, at_ns: int, tif: str, count: int, median: int) -> None:
    """Parents with one order each for an auction, filled in it."""
    for nth in range(count):
        line = WORKING[nth % len(WORKING)]
        each = INSTRUMENTS[int(stage.luck.integers(len(INSTRUMENTS)))]
        side = ("buy", "sell")[int(stage.luck.integers(2))]
        qty = max(1, round(median * math.exp(0.6 * float(stage.luck.standard_normal()))))
        sent = sent_ns + int(stage.luck.integers(max(1, (at_ns - 30 * SECOND_NS - sent_ns))))
        parent = Parent.accepted(stage, sent, line.account, line.strategy, each.symbol, side, qty)
        price = stage.tape.price(each.symbol, sent, 40 if side == "buy" else -40)
        order = Order.sent(
            stage, line, sent + 20 * MS_NS, each.symbol, side, qty, price, parent=parent, tif=tif
        )
        order.acked().filled(at_ns + (nth % 300) * MS_NS + MS_NS, price=stage.tape.price(each.symbol, at_ns))
        parent.done()


OPEN: Final = Span("09:26:00", 14)


def _open(seed: int, scale: float) -> Stage:
    opening = new_york("09:30:00")

    def pace(ts: int) -> float:
        return 0.0 if ts < opening else 1 + 7 * math.exp(-(ts - opening) / SECOND_NS / 90)

    stage = day("clean_open", seed, scale, OPEN, pace=Pace(0.7, 2.0, pace), phase="pre_open")
    _auction(stage, OPEN.ns[0] + 5 * SECOND_NS, opening, "opg", 200, 300)
    _phase(stage, opening, "open")
    return stage


CLOSE: Final = Span("15:50:00", 12)


def _close(seed: int, scale: float) -> Stage:
    end = new_york("16:00:00")
    stage = day(
        "clean_close", seed, scale, CLOSE,
        pace=Pace(0.9, 3.0, lambda ts: 1 + 2 * max(0, 1 - (end - ts) / 3e11)),
        spans=[(CLOSE.ns[0] + 5 * SECOND_NS, end)],
    )  # fmt: skip
    _auction(stage, new_york("15:50:10"), end, "cls", 300, 800)
    _phase(stage, end + SECOND_NS, "closed")
    return stage


REBALANCE: Final = Span("15:48:00", 13)


def _rebalance(seed: int, scale: float) -> Stage:
    """Large parents on both sides, and three times the flow."""
    end = new_york("16:00:00")
    stage = day(
        "clean_rebalance", seed, scale, REBALANCE,
        pace=Pace(2.2, 6.0), spans=[(REBALANCE.ns[0] + 5 * SECOND_NS, end)],
    )  # fmt: skip
    _auction(stage, new_york("15:48:10"), end, "cls", 600, 2_500)
    _phase(stage, end + SECOND_NS, "closed")
    return stage


REOPEN: Final = Span("10:40:00", 12)
HALTED: Final = ("10:43:00", "10:48:00")


def _reopen(seed: int, scale: float) -> Stage:
    """One venue lists it all: nothing trades while it is halted; 8 % higher and six times as busy after."""
    halted, again = (new_york(time) for time in HALTED)

    def pace(ts: int) -> float:
        return 1.0 if ts < halted else 1 + 5 * math.exp(-(ts - again) / SECOND_NS / 45)

    def gap(stage: Stage) -> None:
        for symbol in NAMES[:6]:
            stage.tape.moves(symbol, (halted, 1.0), (again - SECOND_NS, 1.0), (again, 1.08))

    stage = day(
        "clean_halt_reopen",
        seed,
        scale,
        REOPEN,
        pace=Pace(1.2, 4.0, pace),
        prepare=gap,
        spans=[(REOPEN.ns[0] + 5 * SECOND_NS, halted), (again + 400 * MS_NS, REOPEN.ns[1])],
    )
    _phase(stage, halted, "halted")
    _auction(stage, halted + 20 * SECOND_NS, again, "opg", 60, 300)
    _phase(stage, again, "open")
    return stage


BUSTS: Final = Span("11:00:00", 10)


def _mass_bust(seed: int, scale: float) -> Stage:
    """Five hundred trades of one minute are busted four minutes later, within twenty seconds."""
    stage = day("clean_mass_bust", seed, scale, BUSTS)
    first, bust = new_york("11:02:00"), new_york("11:06:00")
    for nth in range(500):
        line, each = WORKING[nth % len(WORKING)], INSTRUMENTS[nth % 4]
        sent = first + nth * MINUTE_NS // 500
        qty = int(stage.luck.integers(1, 9)) * 50
        side = ("buy", "sell")[int(stage.luck.integers(2))]
        parent = Parent.accepted(stage, sent, line.account, line.strategy, each.symbol, side, qty)
        price = stage.tape.price(each.symbol, sent)
        order = Order.sent(stage, line, sent + 20 * MS_NS, each.symbol, side, qty, price, parent=parent)
        order.acked().filled()
        parent.done()
        gone = bust + nth * 20 * SECOND_NS // 500
        busted(stage, order, order.fills[0], gone)
        lag = delay_ns(stage.luck, 200, 0.6, 20, 1_000)
        parent.say(Kind.PARENT_FILL, gone + lag, last_qty=qty, last_px=price, cum_qty=0)
    return stage


FAILOVER: Final = Span("11:20:00", 10)


def _failover(seed: int, scale: float) -> Stage:
    """The drop copy fails over: three seconds late, and then all of the last minute again, as duplicates."""

    def prepare(stage: Stage) -> None:
        stage.drop_copy_fails(new_york("11:25:00"), late_ns=3 * SECOND_NS, again_ns=MINUTE_NS)

    return day("clean_drop_copy_failover", seed, scale, FAILOVER, prepare=prepare)


PILOT: Final = Span("10:15:00", 10)


def _pilot(seed: int, scale: float) -> Stage:
    """A new strategy's first day: its own server, account and session, a few small parents a minute."""
    host = Host("pl-1", role="pilot", build="new-0.1")
    line = Line(host, "NW1", "NYSE", "PILOT", "newalpha")
    stage = day("clean_new_strategy", seed, scale, PILOT, hosts=(host,))
    trade(
        stage,
        [line],
        Pace(0.25),
        symbols=NAMES[:5],
        lots=(40, 1),
        start_ns=new_york("10:16:00"),
        name="pilot",
    )
    return stage


SLOW: Final = Span("13:00:00", 10)


def _slow_venue(seed: int, scale: float) -> Stage:
    """One venue answers after 0.4 to 1.6 seconds for three minutes."""
    lines = tuple(line for line in WORKING if line.venue != "BATS")
    stage = day("clean_slow_venue", seed, scale, SLOW, working=lines)
    start, until = new_york("13:03:00"), new_york("13:06:00")
    ts = start
    while ts < until:
        ts += int(stage.luck.exponential(0.25) * SECOND_NS)
        line = Line(ROUTERS[int(stage.luck.integers(4))], "BZ9", "BATS", "C77", "vwap")
        each = INSTRUMENTS[int(stage.luck.integers(len(INSTRUMENTS)))]
        qty = int(stage.luck.integers(50, 400))
        parent = Parent.accepted(stage, ts, line.account, line.strategy, each.symbol, "buy", qty)
        price = stage.tape.price(each.symbol, ts)
        order = Order.sent(stage, line, ts + 10 * MS_NS, each.symbol, "buy", qty, price, parent=parent)
        order.acked(order.sent_ts + delay_ns(stage.luck, 900, 0.4, 400, 1_600)).filled()
        parent.done()
    return stage


RESTART: Final = Span("12:10:00", 10)


def _restart(seed: int, scale: float) -> Stage:
    """A router is drained and restarted: eight seconds without a heartbeat, then another boot."""
    down = new_york("12:15:00")
    stage = day(
        "clean_host_restart", seed, scale, RESTART, prepare=lambda stage: _restarts(stage, ROUTERS[1], down),
        working=[line for line in WORKING if line.host != ROUTERS[1]],
    )  # fmt: skip
    mine = [line for line in WORKING if line.host == ROUTERS[1]]
    for start, end, name in (
        (stage.start_ns + 5 * SECOND_NS, down - 40 * SECOND_NS, "before"),
        (down + 12 * SECOND_NS, stage.end_ns, "after"),
    ):
        trade(stage, mine, Pace(0.4), symbols=NAMES, lots=(400, 1), start_ns=start, end_ns=end, name=name)
    _session(stage, mine[0], down, "logout")
    _session(stage, mine[0], down + 9 * SECOND_NS, "logon")
    return stage


def _restarts(stage: Stage, host: Host, down: int, build: str | None = None) -> None:
    up = down + 8 * SECOND_NS
    stage.silent[host.name] = (down, up)
    stage.changed[host.name] = (up, replace(host, build=build or host.build), f"{host.name}.2")


def _session(stage: Stage, line: Line, ts: int, event: str) -> None:
    key, host = key_of(line.account), line.host.name
    stage.say(
        Kind.SESSION_EVENT, ts, key, "router", host=host, boot=stage.boot(host, ts), session=line.session,
        venue=line.venue, event=event, stream=key,
    )  # fmt: skip


ROLL_OUT: Final = Span("12:40:00", 12)
NEW_BUILD: Final = "r7.4"


def _roll_out(seed: int, scale: float) -> Stage:
    """The routers get a new build one by one, a minute apart, each declared, drained and verified."""
    first = new_york("12:44:00")
    downs = {host.name: first + nth * MINUTE_NS for nth, host in enumerate(ROUTERS)}

    def prepare(stage: Stage) -> None:
        for host in ROUTERS:
            _restarts(stage, host, downs[host.name], NEW_BUILD)

    stage = day("clean_roll_out", seed, scale, ROLL_OUT, prepare=prepare, working=(), pace=Pace(0.0, 5.0))
    for host in ROUTERS:
        down = downs[host.name]
        mine = [line for line in WORKING if line.host == host]
        _deploys(stage, host, stage.start_ns + 30 * SECOND_NS, down)
        for start, end, name in (
            (stage.start_ns + 5 * SECOND_NS, down - 40 * SECOND_NS, f"old {host.name}"),
            (down + 12 * SECOND_NS, stage.end_ns, f"new {host.name}"),
        ):
            trade(stage, mine, Pace(0.3), symbols=NAMES, lots=(400, 1), start_ns=start, end_ns=end, name=name)
    return stage


def _deploys(stage: Stage, host: Host, planned: int, down: int) -> None:
    for ts, phase in ((planned, "planned"), (down - SECOND_NS, "started"), (down + 10 * SECOND_NS, "done")):
        stage.say(
            Kind.DEPLOY, ts, host.name, "control", host=host.name, build=NEW_BUILD, role=host.role,
            phase=phase, actor="release", ticket="CHG-411",
        )  # fmt: skip


CLEAN_DAYS: Final[tuple[Scenario, ...]] = (
    clean("clean_open", "silence, then the open, eight times as busy", OPEN, _open),
    clean("clean_close", "the close: its auction, and day orders that just end", CLOSE, _close),
    clean("clean_rebalance", "an index is rebalanced at the close", REBALANCE, _rebalance),
    clean("clean_halt_reopen", "the market is halted and re-opens 8 % higher", REOPEN, _reopen),
    clean("clean_mass_bust", "five hundred trades are busted", BUSTS, _mass_bust),
    clean("clean_drop_copy_failover", "the drop copy fails over and replays a minute", FAILOVER, _failover),
    clean(
        "clean_new_strategy", "a new strategy's first day, in pilot size", PILOT, _pilot,
        manifest=[{"role": "pilot", "hosts": ["pl-*"], "count": 1, "build": "new-0.1"}],
        hosts=["pl-*"],
        parented=[{"hosts": ["pl-*"], "strategies": ["newalpha"]}],
    ),
    clean("clean_slow_venue", "a venue answers slowly", SLOW, _slow_venue),
    clean("clean_host_restart", "a host is restarted", RESTART, _restart),
    clean("clean_roll_out", "a declared roll-out, host by host", ROLL_OUT, _roll_out),
)  # fmt: skip

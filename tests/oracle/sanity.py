"""Sanity, slow and obvious: every order that was ever told is kept, and windows are counted anew from all of them.

Fed with what the compiled ledger posts, in words; the compiled family must say the same breaches.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from detectors.scope import FIRM, Scope
from tests.oracle.event import UNIT, Event

if TYPE_CHECKING:
    from detectors.sanity import SanitySettings

MONEY: Final = 10**4
SECOND: Final = 10**9
WARN, HIGH, HALT = 1, 2, 3
WAITS: Final = ("CONDITIONAL", "AUCTION", "PACKAGE")
Plain = dict[str, Any]


@dataclass
class Rungs:
    """Until when each rung is held; a rung is said again a second after that."""

    until: dict[int, int] = field(default_factory=dict)

    def rises(self, rung: int, at: int) -> bool:
        held = [r for r, end in self.until.items() if at < end + SECOND]
        return rung > max(held, default=0)

    def hold(self, rung: int, end: int) -> None:
        for each in range(1, rung + 1):
            self.until[each] = max(self.until.get(each, 0), end)


@dataclass
class Symbol:
    mark: int | None = None
    marked_at: int = 0
    waiting: int | None = None
    waiting_at: int = 0
    last_fill: int | None = None
    tick: int = 0
    multiplier: int = UNIT
    currency: str = "USD"
    asset_class: str = ""
    adv: int = 0
    shares_out: int = 0
    negative_ok: bool = False
    used_at: int | None = None
    stale_at: int | None = None
    bad: int | None = None
    bad_last: int | None = None
    runs: int = 0
    rungs: Rungs = field(default_factory=Rungs)


def session_of(p: Plain) -> Scope:
    for kind in ("session", "host", "account"):
        if p[kind]:
            return Scope.of({kind: p[kind]})
    return FIRM


class Sanity:
    def __init__(self, settings: SanitySettings) -> None:
        self.settings = settings
        self.symbols: dict[str, Symbol] = defaultdict(Symbol)
        self.rates: dict[str, int] = {"USD": UNIT}
        self.stops: dict[int, bool] = {}
        self.through: dict[Scope, list[int]] = defaultdict(list)
        self.priced: dict[tuple[Scope, int], list[tuple[int, str]]] = defaultdict(list)
        self.rungs: dict[Any, Rungs] = defaultdict(Rungs)
        self.ticked = 0
        self.said: list[Plain] = []

    def say(self, reason: str, rung: int, scope: Scope, row: int, at: int, measured: int, limit: int | None, usd: int | None) -> None:  # fmt: skip
        self.said.append({
            "reason": reason, "severity": rung, "scope": scope.text, "row": row, "at_ns": at, "measured": measured / UNIT,
            "limit": None if limit is None else limit / UNIT, "usd": None if usd is None else usd / MONEY,
        })  # fmt: skip

    # -- hearing ----------------------------------------------------------------------------------

    def hear(self, p: Plain, told: Event) -> None:
        self.advance(p["low"], p["row"])
        kind, now = p["kind"], max(p["at"], p["low"])
        if kind == "EXECUTED":
            self.fill(p, now)
        elif kind == "RATED":
            if p["venue"] != "USD" and p["px"] and p["px"] > 0:
                self.rates[p["venue"]] = p["px"]
        elif kind in ("MARKED", "INSTRUMENT"):
            self.reference(p, told, now)
        elif kind == "ORDER_SENT" or (
            kind == "ORDER_CHANGED" and "REPLACED" in p["bits"] and "ORDER_UNKNOWN" not in p["bits"]
        ):
            self.symbols[p["symbol"]].used_at = max(now, self.symbols[p["symbol"]].used_at or 0)
            if kind == "ORDER_SENT":
                self.stops[p["order"]] = told["order_type"] in ("stop", "stop_limit")
                self.one_price(p, now)
            self.price(p, told, now)
            self.size(p, now, is_parent=False)
        elif kind in ("PARENT_OPENED", "PARENT_AMENDED"):
            self.size(p, now, is_parent=True)

    def reference(self, p: Plain, told: Event, now: int) -> None:
        s = self.symbols[p["symbol"]]
        for name in ("adv", "shares_out"):
            if told[name] is not None:
                setattr(s, name, told.number(name))
        if p["kind"] == "INSTRUMENT":
            s.tick = told.number("tick") or 0
            s.multiplier = told.number("multiplier") or UNIT
            s.currency = told.text("currency") or "USD"
            s.asset_class = told.text("asset_class").lower()
            s.negative_ok = bool(told["negative_price_ok"])
            return
        px, last = p["px"], s.mark
        cannot_be = px <= 0 and not s.negative_ok
        if not cannot_be and px:
            known = [s.mark, s.last_fill, s.waiting]
            if not any(known) or any(near(px, other, self.settings.mark_near_share) for other in known):
                s.mark, s.waiting, s.marked_at, s.bad = px, None, p["at"], None
                return
            s.waiting, s.waiting_at = px, p["at"]
        times = self.settings.bad_reference_times
        is_far = bool(last and px) and (px / last >= times or px / last <= 1 / times)
        if not cannot_be and not is_far:
            s.bad = None
            return
        s.bad, s.bad_last = px, last
        if s.rungs.rises(WARN, now):
            self.say("bad_reference", WARN, Scope.of(symbol=p["symbol"]), p["row"], p["at"], px, last, None)
        s.rungs.hold(WARN, now)

    def fill(self, p: Plain, now: int) -> None:
        if not p["symbol"] or not p["pos"]:
            return
        s = self.symbols[p["symbol"]]
        s.used_at = max(now, s.used_at or 0)
        if p["px"]:
            s.last_fill = p["px"]
            if s.waiting and near(p["px"], s.waiting, self.settings.mark_near_share):
                s.mark, s.marked_at, s.waiting, s.bad = s.waiting, s.waiting_at, None, None

    # -- orders -----------------------------------------------------------------------------------

    def usd(self, p: Plain) -> int | None:
        s = self.symbols[p["symbol"]]
        px = s.mark or p["px"]
        usd = self.rates.get(s.currency, 0)
        if not px or not usd:
            return None
        rate = (
            abs(float(px)) * float(s.multiplier) * float(usd) * (MONEY / (float(UNIT) * UNIT * UNIT * UNIT))
        )
        return round(float(p["qty"]) * rate)

    def collar(self, s: Symbol) -> int:
        c = self.settings
        assert s.mark is not None
        share = {"equity": c.collar_equity_share, "future": c.collar_future_share, "fx": c.collar_future_share, "option": c.collar_option_share}.get(s.asset_class, c.collar_other_share)  # fmt: skip
        if s.asset_class == "equity":
            dollars = abs(s.mark) * self.rates.get(s.currency, UNIT) / UNIT
            share = c.collar_low_share if dollars < c.collar_low_usd * UNIT else share
        return int(max(share * abs(s.mark), c.collar_ticks * s.tick))

    def price(self, p: Plain, told: Event, now: int) -> None:
        c = self.settings
        is_silent = p["kind"] == "ORDER_CHANGED" and told["price"] is None
        if p["px"] is None or is_silent or not p["sign"] or not p["symbol"] or self.stops.get(p["order"]):
            return
        if any(word in p["bits"].split() for word in WAITS):
            return
        s = self.symbols[p["symbol"]]
        if not s.mark or p["at"] - s.marked_at > c.reference_age_s * SECOND:
            s.stale_at = now
            return
        s.stale_at = None
        if p["sign"] * (p["px"] - s.mark) <= self.collar(s):
            return
        scope, window = session_of(p), round(c.collar_window_s * SECOND)
        times = self.through[scope]
        times.append(max([now, *times[-1:]]))
        count = sum(at > times[-1] - window for at in times[-64:])
        needed = {WARN: c.collar_warn_count, HIGH: c.collar_high_count, HALT: c.collar_halt_count}
        reached = [rung for rung, n in needed.items() if count >= n]
        rungs = self.rungs["collar", scope]
        if reached and rungs.rises(reached[-1], times[-1]):
            limit = needed[reached[-1]]
            self.say("collar", reached[-1], scope, p["row"], p["at"], count * UNIT, limit * UNIT, self.usd(p))
        for rung in reached:
            rungs.hold(rung, times[-needed[rung]] + window)

    def size(self, p: Plain, now: int, *, is_parent: bool) -> None:
        c, s = self.settings, self.symbols[p["symbol"]]
        if p["qty"] is None or not p["symbol"] or "PACKAGE" in p["bits"].split():
            return
        usd = self.usd(p)
        if s.adv and p["qty"] > c.adv_warn_share * s.adv:
            rung, limit = WARN, c.adv_warn_share
            if is_parent and p["qty"] > c.adv_high_share * s.adv:
                rung, limit = HIGH, c.adv_high_share
            is_dear = usd is None or usd > c.adv_halt_usd * MONEY
            if not is_parent and is_dear and p["qty"] > c.adv_halt_share * s.adv:
                rung, limit = HALT, c.adv_halt_share
            self.at_once("adv", rung, p, now, p["qty"] / s.adv, limit, usd)
        if s.shares_out and p["qty"] > c.shares_out_times * s.shares_out:
            self.at_once("shares_out", HALT, p, now, p["qty"] / s.shares_out, c.shares_out_times, usd)

    def at_once(self, reason: str, rung: int, p: Plain, now: int, measured: float, limit: float, usd: int | None) -> None:  # fmt: skip
        scope = session_of(p)
        rungs = self.rungs[reason, scope]
        if rungs.rises(rung, now):
            fixed = round(min(measured, 1e9) * UNIT)
            self.say(reason, rung, scope, p["row"], p["at"], fixed, round(limit * UNIT), usd)
        rungs.hold(rung, now)

    def one_price(self, p: Plain, now: int) -> None:
        if p["px"] is None or not p["symbol"] or "PACKAGE" in p["bits"].split():
            return
        c, scope = self.settings, session_of(p)
        orders = self.priced[scope, p["px"]]
        now = max([now, *(at for at, _ in orders[-1:])])
        orders.append((now, p["symbol"]))
        window = round(c.one_price_window_s * SECOND)
        latest = {symbol: at for at, symbol in orders}
        times = sorted((at for at in latest.values() if at > now - window), reverse=True)
        needed = {WARN: c.one_price_warn_count, HIGH: c.one_price_high_count}
        reached = [rung for rung, n in needed.items() if len(times) >= n]
        rungs = self.rungs["one_price", scope, p["px"]]
        if reached and rungs.rises(reached[-1], now):
            limit = needed[reached[-1]]
            self.say("one_price", reached[-1], scope, p["row"], p["at"], len(times) * UNIT, limit * UNIT, self.usd(p))  # fmt: skip
        for rung in reached:
            rungs.hold(rung, times[needed[rung] - 1] + window)

    # -- time -------------------------------------------------------------------------------------

    def advance(self, low: int, row: int = -1) -> None:
        if low <= 0:
            return
        target = low // SECOND
        self.ticked = self.ticked or target
        c = self.settings
        for second in range(self.ticked + 1, target + 1):
            at = second * SECOND
            for name, s in self.symbols.items():
                if s.bad is None or s.used_at is None or at - s.used_at > c.in_use_s * SECOND:
                    s.runs = 0
                    continue
                s.runs += 1
                if s.runs >= c.bad_reference_running_count:
                    if s.rungs.rises(HIGH, at):
                        self.say("bad_reference", HIGH, Scope.of(symbol=name), row, at, s.bad, s.bad_last, None)  # fmt: skip
                    s.rungs.hold(HIGH, at + SECOND)
        self.ticked = target


def near(px: int, other: int | None, share: float) -> bool:
    return bool(other) and abs(float(px) - float(other or 0)) <= share * abs(float(other or 0))

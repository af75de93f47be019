"""Trading in circles, slow and obvious: all fills are kept, and windows are counted anew from all of them.

Fed with what the compiled ledger posts, in words; the compiled family must say the same breaches.  (It knows
no bound on lots: sixteen openings of one symbol within a window are one by one here.)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from detectors.scope import FIRM, Scope
from tests.oracle.event import UNIT, WHO, Event

if TYPE_CHECKING:
    from detectors.self_cycle import SelfCycleSettings

MONEY: Final = 10**4
SECOND: Final = 10**9
WARN, HIGH, HALT = 1, 2, 3
ENTITY: Final = WHO.index("entity")
Plain = dict[str, Any]


@dataclass
class Minute:
    """Everything that ever counted, and until when each rung is held."""

    events: list[tuple[int, int]] = field(default_factory=list)  # (second, dollars)
    until: dict[int, int] = field(default_factory=dict)

    def add(self, second: int, usd: int) -> None:
        self.events.append((max([second, *(s for s, _ in self.events[-1:])]), usd))

    def left(self, second: int, window: int) -> tuple[int, int]:
        """How many are left of the window that ends with this second, and what they lost."""
        inside = [usd for at, usd in self.events if second - window < at <= second]
        return len(inside), sum(inside)

    def rung(self, needed: dict[int, tuple[int, int]], window: int, now: int) -> int:
        """The rung that is newly reached, 0 if none is; then each is held as long as it will stand."""
        last = self.events[-1][0]
        count, usd = self.left(last, window)
        reached = [r for r, (n, dear) in needed.items() if count >= n and usd >= dear]
        held = max((r for r, end in self.until.items() if now < end + SECOND), default=0)
        for rung in reached:
            n, dear = needed[rung]
            second = last
            while self.left(second, window)[0] >= n and self.left(second, window)[1] >= dear:
                second += 1
            for each in range(1, rung + 1):
                self.until[each] = max(self.until.get(each, 0), second * SECOND)
        top = max(reached, default=0)
        return top if top > held else 0


@dataclass
class Lot:
    at: int
    sign: int
    qty: int
    cost: int


class SelfCycle:
    def __init__(self, settings: SelfCycleSettings) -> None:
        self.settings = settings
        self.instruments: dict[str, tuple[int, str]] = {}
        self.rates: dict[str, int] = {"USD": UNIT}
        self.lots: dict[tuple[Scope, Any], list[Lot]] = defaultdict(list)
        self.edges: dict[tuple[Scope, Any], int] = defaultdict(int)
        self.newest: dict[tuple[Scope, Any], int] = defaultdict(int)
        self.trips: dict[Scope, Minute] = defaultdict(Minute)
        self.owns: dict[frozenset[Scope], Minute] = defaultdict(Minute)
        self.matches: dict[tuple[str, str], Plain] = {}
        self.waiting: dict[int, str | None] = {}  # executions of orders that nobody announced
        self.was_counted = False
        self.said: list[Plain] = []

    def hear(self, p: Plain, told: Event) -> None:
        kind = p["kind"]
        if kind == "RATED" and p["venue"] != "USD" and p["px"] and p["px"] > 0:
            self.rates[p["venue"]] = p["px"]
        elif kind == "INSTRUMENT":
            self.instruments[p["symbol"]] = (
                told.number("multiplier") or UNIT,
                told.text("currency") or "USD",
            )
        elif kind == "MOVED_OUT":
            self.was_counted = bool(p["strategy"])
        elif kind == "EXECUTED" and p["pos"]:
            if "ORDER_UNKNOWN" in p["bits"] and not p["strategy"]:
                self.waiting[p["exec"]] = told["match_id"]
            else:
                self.fill(p, told["match_id"])
        elif kind == "MOVED_IN" and p["pos"] and not self.was_counted:
            self.fill(p, self.waiting.get(p["exec"]))

    def fill(self, p: Plain, match: str | None) -> None:
        scope = next((Scope.of({k: p[k]}) for k in ("strategy", "host", "account") if p[k]), FIRM)
        now, sign = max(p["at"], p["low"]), 1 if p["pos"] > 0 else -1
        if p["symbol"]:
            self.trade(p, scope, now, sign)
        if match:
            self.match(p, scope, now, sign, match)

    def trade(self, p: Plain, scope: Scope, now: int, sign: int) -> None:
        key = (scope, p["pair"])
        self.newest[key] = max(now, self.newest[key])
        lots = self.lots[key]
        lots[:] = [lot for lot in lots if lot.at > self.newest[key] - self.settings.window_s * SECOND]
        qty = abs(p["pos"])
        was_open = bool(lots)
        edge = self.edges[key] if was_open else 0
        while qty and lots and lots[0].sign != sign:
            lot = lots[0]
            taken = min(qty, lot.qty)
            cost = lot.cost if taken == lot.qty else round(float(lot.cost) * (float(taken) / float(lot.qty)))
            edge += lot.sign * (money(taken, p["px"]) - cost)
            qty, lot.qty, lot.cost = qty - taken, lot.qty - taken, lot.cost - cost
            if not lot.qty:
                lots.pop(0)
        self.edges[key] = edge
        if was_open and not lots and edge < 0:
            multiplier, currency = self.instruments.get(p["symbol"], (UNIT, "USD"))
            usd = self.rates.get(currency, UNIT)
            self.trips[scope].add(
                now // SECOND, round(float(-edge) * (float(multiplier) / UNIT) * (float(usd) / UNIT))
            )
            c = self.settings
            needed = {WARN: (c.round_trips_warn_count, 0), HIGH: (c.round_trips_high_count, 0), HALT: (c.round_trips_halt_count, round(c.round_trips_halt_usd * MONEY))}  # fmt: skip
            self.judge("round_trips", self.trips[scope], [scope], needed, p, now)
        if qty:
            lots.append(Lot(self.newest[key], sign, qty, money(qty, p["px"])))

    def match(self, p: Plain, scope: Scope, now: int, sign: int, match: str) -> None:
        entity = p["who"][ENTITY] if p["who"] else ""
        known = self.matches.get((match, p["venue"]))
        if known is None or now - known["at"] >= self.settings.window_s * SECOND:
            self.matches[match, p["venue"]] = {"at": now, "scope": scope, "sign": sign, "entity": entity}
            return
        is_one = entity == known["entity"] or not entity or not known["entity"]
        if known["sign"] != -sign or not is_one:
            return
        known["sign"] = 0
        pair = frozenset((scope, known["scope"]))
        self.owns[pair].add(now // SECOND, 0)
        c = self.settings
        needed = {WARN: (c.own_trades_warn_count, 0), HIGH: (c.own_trades_high_count, 0), HALT: (c.own_trades_halt_count, 0)}  # fmt: skip
        self.judge("own_trades", self.owns[pair], sorted(pair, key=lambda one: one.text), needed, p, now)

    def judge(self, reason: str, minute: Minute, accused: list[Scope], needed: dict[int, tuple[int, int]], p: Plain, now: int) -> None:  # fmt: skip
        rung = minute.rung(needed, self.settings.window_s, now)
        count, usd = minute.left(minute.events[-1][0], self.settings.window_s)
        for scope in accused if rung else ():
            self.said.append({
                "reason": reason, "severity": rung, "scope": scope.text, "row": p["row"], "at_ns": p["at"],
                "measured": count, "limit": needed[rung][0], "usd": usd / MONEY if reason == "round_trips" else -1.0,
            })  # fmt: skip


def money(quantity: int, px: int) -> int:
    return round(float(quantity) * float(px) * (MONEY / (float(UNIT) * UNIT)))

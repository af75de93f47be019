"""Loss, slow and obvious: what every scope has made is summed anew from all of its fills whenever somebody asks.

Fed with what the compiled ledger posts, in words; the compiled family must say the same breaches.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from detectors.scope import Scope
from tests.oracle.event import UNIT, WHO, Event

if TYPE_CHECKING:
    from detectors.loss import LossSettings

MONEY: Final = 10**4
SECOND: Final = 10**9
WARN, HIGH, HALT = 1, 2, 3
EARLY: Final = 70  # seconds after which a silence changes nothing any more
Plain = dict[str, Any]


@dataclass
class Crossing:
    """A rung that is held, and what was seen since it fell below it."""

    held: int = 0
    below_since: int | None = None
    seen_below: int = 0

    def settle(self, at: int) -> int:
        if self.below_since is not None and at - self.below_since >= SECOND:
            self.held, self.below_since = self.seen_below, None
        return self.held

    def __call__(self, rung: int, at: int) -> bool:
        self.settle(at)
        if rung >= self.held:
            self.below_since = None
            crossed, self.held = rung > self.held, rung
            return crossed
        self.seen_below = rung if self.below_since is None else max(rung, self.seen_below)
        self.below_since = at if self.below_since is None else self.below_since
        return False


@dataclass
class Cell:
    """One symbol of one scope: what each execution cost, and what was brought in."""

    symbol: str
    pos: int = 0
    costs: list[int] = field(default_factory=list)  # 1e-4 of its currency
    waiting: int = 0  # units brought in that no price was known for
    px: int = 0
    px_before: int = 0


@dataclass
class Asked:
    """One scope with limits."""

    scope: Scope
    limits: dict[str, int]
    cells: dict[str, Cell] = field(default_factory=dict)
    baseline: int = 0
    day: int = 0
    moves: list[tuple[int, int]] = field(default_factory=list)  # (second of LOW, what a posting made)
    crossings: dict[str, Crossing] = field(default_factory=lambda: defaultdict(Crossing))
    runs: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))


class Loss:
    def __init__(self, settings: LossSettings) -> None:
        self.settings = settings
        self.scopes: dict[str, Asked] = {}
        self.marks: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.last_fill: dict[str, int] = {}
        self.instruments: dict[str, tuple[int, str]] = {}
        self.rates: dict[str, int] = {"USD": UNIT}
        self.prices: dict[int, int] = {}  # of executions that count
        self.dates: dict[int, int] = {}
        self.before_out: dict[str, int] = {}
        self.ticked = 0
        self.said: list[Plain] = []
        self.rows = []
        for row in settings.limit:
            text = "" if row["scope"] == "*" else row["scope"]
            pairs = (part.split("=") for part in text.split("&") if part)
            self.rows.append(({kind: None if value == "*" else value for kind, value in pairs}, row))

    # -- worth ------------------------------------------------------------------------------------

    def made(self, asked: Asked) -> int:
        return sum(self.made_by(cell) for cell in asked.cells.values())

    def made_by(self, cell: Cell) -> int:
        ref = self.marks.get(cell.symbol) or cell.px
        if ref and cell.waiting:
            cell.costs.append(money(cell.waiting, ref))
            cell.waiting = 0
        multiplier, currency = self.instruments.get(cell.symbol, (UNIT, "USD"))
        usd = self.rates.get(currency, 0)
        if not usd:
            return 0
        made = float(cell.pos - cell.waiting) * float(ref) * (MONEY / (float(UNIT) * UNIT)) - float(
            sum(cell.costs)
        )
        return round(made * (float(multiplier) / UNIT) * (float(usd) / UNIT))

    def lost(self, asked: Asked) -> int:
        return asked.baseline - self.made(asked)

    # -- hearing ----------------------------------------------------------------------------------

    def hear(self, p: Plain, told: Event) -> None:
        self.advance(p["low"], p["row"])
        kind = p["kind"]
        if kind == "MARKED":
            self.mark(p["symbol"], p["px"])
        elif kind == "RATED":
            if p["venue"] != "USD" and p["px"] and p["px"] > 0:
                self.rates[p["venue"]] = p["px"]
        elif kind == "INSTRUMENT":
            self.instruments[p["symbol"]] = (
                told.number("multiplier") or UNIT,
                told.text("currency") or "USD",
            )
        elif p["pos"] or p["base"] or kind in ("CORRECTED", "CONFLICT"):
            self.book(p, told)
        self.value_all()

    def value_all(self) -> None:
        """Whatever was brought in costs what it is worth as soon as there is a price."""
        for asked in self.scopes.values():
            self.made(asked)

    def mark(self, symbol: str, px: int) -> None:
        if not px:
            return
        known = [
            r for r in (self.marks.get(symbol), self.last_fill.get(symbol), self.waiting.get(symbol)) if r
        ]
        if not known or any(self.near(px, reference) for reference in known):
            self.marks[symbol] = px
            self.waiting.pop(symbol, None)
        else:
            self.waiting[symbol] = px

    def near(self, px: int, reference: int) -> bool:
        return abs(float(px) - float(reference)) <= self.settings.mark_near_share * abs(float(reference))

    def asked(self, p: Plain) -> list[tuple[Asked, Cell]]:
        """Every scope with limits that a posting is in, and its cell there."""
        attributes = dict(zip(WHO, p["who"] or ("",) * len(WHO), strict=True))
        attributes |= {"venue": p["venue"], "account": p["account"], "symbol": p["symbol"]}
        found = []
        for kinds in sorted({tuple(sorted(conditions)) for conditions, _ in self.rows}):
            own = {kind: attributes[kind] for kind in kinds}
            if not all(own.values()):
                continue
            scope = Scope.of(own)
            asked = self.scopes.setdefault(scope.text, Asked(scope, self.limits(kinds, own)))
            found.append((asked, asked.cells.setdefault(p["symbol"], Cell(p["symbol"]))))
        return found

    def limits(self, kinds: tuple[str, ...], own: dict[str, str]) -> dict[str, int]:
        merged: dict[str, Any] = {}
        for conditions, row in sorted(
            self.rows, key=lambda r: (list(r[0].values()).count(None), r[1]["scope"]), reverse=True
        ):
            if tuple(sorted(conditions)) == kinds and all(v in (None, own[k]) for k, v in conditions.items()):
                merged |= row
        if "daily" in merged:
            merged.setdefault("velocity", merged["daily"] * self.settings.velocity_share)
        return {key: round(merged[key] * MONEY) for key in ("daily", "velocity") if key in merged}

    def book(self, p: Plain, told: Event) -> None:
        kind, px = p["kind"], p["px"] or 0
        is_fill = kind == "EXECUTED" and p["pos"]
        if is_fill and p["symbol"] and px:
            self.last_fill[p["symbol"]] = px
            waiting = self.waiting.get(p["symbol"])
            if waiting and self.near(px, waiting):
                self.marks[p["symbol"]] = self.waiting.pop(p["symbol"])
            self.value_all()
        cost, today = self.cost(p, px), days_of(told)
        if kind == "EXECUTED":
            self.dates[p["exec"]] = today
        day = today if kind == "EXECUTED" or p["exec"] < 0 else self.dates.get(p["exec"], today)
        asked = self.asked(p)
        if kind != "MOVED_IN":
            self.before_out = {}
        for one, cell in asked:
            if today > one.day and kind not in ("MOVED_OUT", "MOVED_IN") and p["at"] >= told.ts:
                one.day, one.baseline = today, self.made(one)
            before = self.made(one)
            lost_before = self.lost(one)
            self.apply(cell, p, cost, px)
            change = self.made(one) - before
            if change:
                self.before_out.setdefault(one.scope.text, lost_before)
            if day < one.day:
                one.baseline += change
            else:
                one.moves.append((p["low"] // SECOND, change))
        if kind == "MOVED_OUT":
            return
        for one, _ in asked:
            if one.scope.text in self.before_out:
                self.judge(one, p, self.before_out[one.scope.text])

    def cost(self, p: Plain, px: int) -> int:
        """What its fills cost; of a correction the difference to what they cost before."""
        kind, x = p["kind"], p["exec"]
        if kind == "POSITION_SET" or x < 0:
            return money(p["pos"], px)
        if kind in ("CORRECTED", "CONFLICT") and x in self.prices:
            before = money(p["sign"] * (p["qty"] - p["fill"]), self.prices[x])
            self.prices[x] = px
            return money(p["sign"] * p["qty"], px) - before
        if kind in ("EXECUTED", "MOVED_IN") and p["pos"]:
            self.prices[x] = px
        elif kind in ("BUSTED", "MOVED_OUT"):
            self.prices.pop(x, None)
        return money(p["pos"], px)

    @staticmethod
    def apply(cell: Cell, p: Plain, cost: int, px: int) -> None:
        cell.pos += p["pos"] + p["base"]
        cell.costs.append(cost)
        cell.waiting += p["base"]
        kind = p["kind"]
        if not px:
            return
        if kind in ("EXECUTED", "MOVED_IN"):
            cell.px_before, cell.px = cell.px, px
        elif kind == "BUSTED" and cell.px == px and cell.px_before:
            cell.px = cell.px_before
        elif kind == "POSITION_SET" and not cell.px:
            cell.px = px

    # -- judging ----------------------------------------------------------------------------------

    def steps(self, asked: Asked, reason: str) -> list[int]:
        limit = asked.limits.get(reason)
        if limit is None:
            return []
        return [
            int(float(limit) * self.settings.warn_share),
            int(float(limit) * self.settings.high_share),
            limit,
        ]

    def judge(self, asked: Asked, p: Plain, before: int) -> None:
        measured, steps = self.lost(asked), self.steps(asked, "daily")
        crossing = asked.crossings["daily"]
        level = sum(measured > step for step in steps)
        if measured <= before:
            level = min(level, crossing.settle(p["low"]))
        if crossing(level, p["low"]):
            self.say(asked, "daily", level, p["row"], p["at"], measured, steps[level - 1], by_mark=False)

    def say(self, asked: Asked, reason: str, rung: int, row: int, at: int, measured: int, limit: int, *, by_mark: bool) -> None:  # fmt: skip
        self.said.append({"reason": reason, "severity": rung, "scope": asked.scope.text, "row": row, "at_ns": at, "measured": measured / MONEY, "limit": limit / MONEY, "by_mark": by_mark})  # fmt: skip

    # -- time -------------------------------------------------------------------------------------

    def advance(self, low: int, row: int = -1) -> None:
        if low <= 0:
            return
        target = low // SECOND
        self.ticked = self.ticked or target
        for second in range(self.ticked + 1, min(target, self.ticked + EARLY) + 1):
            for asked in self.scopes.values():
                self.evaluate(asked, second, row)
        self.ticked = target

    def evaluate(self, asked: Asked, second: int, row: int) -> None:
        at, running = second * SECOND, self.settings.running_count
        fast = -sum(change for when, change in asked.moves if second - 60 <= when < second)
        for reason, measured in (("daily", self.lost(asked)), ("velocity", fast)):
            steps = self.steps(asked, reason)
            level = sum(measured > step for step in steps)
            for rung in (WARN, HIGH, HALT):
                asked.runs[reason, rung] = asked.runs[reason, rung] + 1 if level >= rung else 0
            stood = max((r for r in (WARN, HIGH, HALT) if asked.runs[reason, r] >= running), default=0)
            crossing = asked.crossings[reason]
            rung = max(min(level, crossing.settle(at)), stood)
            if crossing(rung, at):
                self.say(asked, reason, rung, row, at, measured, steps[rung - 1], by_mark=reason == "daily")


def money(quantity: int, px: int) -> int:
    return round(float(quantity) * float(px) * (MONEY / (float(UNIT) * UNIT)))


def days_of(told: Event) -> int:
    return (date.fromisoformat(told.trade_date) - date(1970, 1, 1)).days

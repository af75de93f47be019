"""Exposure, slow and obvious: every measure is summed anew from its cells whenever somebody asks for it.

Fed with what the compiled ledger posts, in words; the compiled family must say the same breaches.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from detectors.scope import Scope
from tests.oracle.event import WHO, Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.exposure import ExposureSettings

UNIT: Final = 10**8
MONEY: Final = 10**4
SECOND: Final = 10**9
WARN, HIGH, HALT = 1, 2, 3
SIDES: Final = {1: "buy", -1: "sell"}
OF_ITSELF: Final = ("ORDER_SENT", "ORDER_CHANGED", "POSITION_SET")  # matters whatever it changes
EARLY: Final = 15  # seconds after which a silence changes nothing any more
Plain = dict[str, Any]
Key = tuple[tuple[str, ...], tuple[str, ...], tuple[str, str]]  # kinds of its grain, their values, its pair


@dataclass
class Crossing:
    """A rung that is held, and what was seen since the measure fell below it."""

    held: int = 0
    below_since: int | None = None
    seen_below: int = 0
    newest: int = 0

    def settle(self, at: int) -> None:
        if self.below_since is not None and at - self.below_since >= SECOND:
            self.held, self.below_since = self.seen_below, None

    def __call__(self, rung: int, at: int) -> bool:
        self.settle(at)
        if rung >= self.held:
            self.below_since = None
            crossed, self.held = rung > self.held, rung
            return crossed
        self.seen_below = rung if self.below_since is None else max(rung, self.seen_below)
        self.below_since = at if self.below_since is None else self.below_since
        return False

    def at_event(self, rung: int, at: int) -> bool:
        """What was true for the instant of the event before this one only."""
        self(0, self.newest)
        self.newest = max(at, self.newest)
        return self(rung, at)


@dataclass
class Cell:
    grain: tuple[str, ...]
    values: dict[str, str]  # of the grain's kinds, account and symbol
    pos: int = 0
    buys: int = 0
    sells: int = 0
    base: int = 0
    day_pos: int = 0
    said: int = 0
    fills: deque[list[int]] = field(default_factory=lambda: deque(maxlen=4))  # [execution, price], 0: busted


@dataclass
class Asked:
    """One scope with limits."""

    scope: Scope
    limits: dict[str, float]
    kinds: frozenset[str]
    values: dict[str, str]
    only: str | None = None  # a symbol whose quantity is asked for by itself
    crossings: dict[str, Crossing] = field(default_factory=lambda: defaultdict(Crossing))
    runs: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    date: int = 0
    history: list[int] = field(default_factory=lambda: [0] * 11)  # shares of the limit, newest last
    time_runs: int = 0
    day: int = 0
    count: int = 0
    total: int = 0
    overs: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))


class Exposure:
    def __init__(self, settings: ExposureSettings) -> None:
        self.settings = settings
        self.cells: dict[Key, Cell] = {}
        self.scopes: dict[tuple[str, str | None], Asked] = {}
        self.orders: dict[int, dict[tuple[str, ...], tuple[Cell | None, int]]] = {}
        self.marks: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.last_fill: dict[str, int] = {}
        self.instruments: dict[str, tuple[int, str]] = {}
        self.rates: dict[str, int] = {"USD": UNIT}
        self.dates: dict[str, int] = defaultdict(int)
        self.stated: set[str] = set()
        self.exec_dates: dict[int, int] = {}
        self.sessions: dict[tuple[str, str], Crossing] = defaultdict(Crossing)
        self.paged_on: dict[tuple[str, str], int] = defaultdict(int)  # scope and reason -> trade date
        self.ticked = 0
        self.before: dict[int, dict[str, int]] = {}
        self.values_before: dict[int, Plain] = {}
        self.said: list[Plain] = []
        self.rows: list[tuple[dict[str, str | None], Mapping[str, Any]]] = []
        for row in settings.limit:
            text = "" if row["scope"] == "*" else row["scope"]
            pairs = (part.split("=") for part in text.split("&") if part)
            self.rows.append(({kind: None if value == "*" else value for kind, value in pairs}, row))
        shapes = {frozenset(conditions) for conditions, _ in self.rows}
        grains = {grain(kinds) for kinds in shapes} | {()}
        self.grains = sorted(grains)
        self.shapes = shapes

    # -- worth ------------------------------------------------------------------------------------

    def rate(self, cell: Cell) -> float:
        symbol = cell.values["symbol"]
        live = [px for _, px in cell.fills if px]
        px = self.marks.get(symbol) or (live[-1] if live else 0) or cell.said
        multiplier, currency = self.instruments.get(symbol, (UNIT, "USD"))
        usd = self.rates.get(currency, 0)
        return abs(float(px)) * float(multiplier) * float(usd) * (MONEY / (float(UNIT) * UNIT * UNIT * UNIT))

    def value(self, cell: Cell, basis: str) -> dict[str, int]:
        held = cell.pos + cell.base if basis == "total" else cell.pos - cell.day_pos
        up, down = held + cell.buys, held - cell.sells
        qty, rate = max(abs(up), abs(down)), self.rate(cell)
        if not qty:
            return dict.fromkeys(("gross", "long", "short", "quantity", "unpriced", "unstated"), 0)
        unpriced = round(self.settings.unpriced_notional * MONEY)

        def worth(q: int) -> int:
            return round(float(q) * rate) if rate else unpriced * ((q > 0) - (q < 0))

        unstated = basis == "total" and cell.values["account"] not in self.stated
        return {"gross": worth(qty), "long": worth(up), "short": worth(down), "quantity": qty, "unpriced": int(not rate), "unstated": int(unstated)}  # fmt: skip

    def values(self) -> dict[int, Plain]:
        return {id(c): {b: self.value(c, b) for b in ("intraday", "total")} for c in self.cells.values()}

    def inside(self, asked: Asked, cell: Cell) -> bool:
        kinds = asked.kinds | ({"symbol"} if asked.only else set())
        values = {**asked.values, **({"symbol": asked.only} if asked.only else {})}
        return cell.grain == grain(asked.kinds) and all(cell.values[k] == values[k] for k in kinds)

    def measures(self, asked: Asked) -> dict[str, int]:
        basis = asked.limits.get("basis", "intraday")
        own = [self.value(cell, basis) for cell in self.cells.values() if self.inside(asked, cell)]
        sums = {name: sum(value[name] for value in own) for name in ("gross", "long", "short", "quantity")}
        return {
            "gross": sums["gross"],
            "net": max(abs(sums["long"]), abs(sums["short"])),
            "quantity": sums["quantity"],
        }

    def limit(self, asked: Asked, measure: str) -> int | None:
        """None: it has none.  A quantity is asked of one symbol at a time."""
        is_of_one_symbol = asked.only is not None or "symbol" in asked.kinds
        if measure not in asked.limits or (measure == "quantity") > is_of_one_symbol:
            return None
        if measure != "quantity" and asked.only is not None:
            return None
        return round(asked.limits[measure] * (UNIT if measure == "quantity" else MONEY))

    def steps(self, asked: Asked, measure: str) -> list[int]:
        limit = self.limit(asked, measure)
        if limit is None:
            return []
        return [
            int(limit * 0.5),
            int(limit * self.settings.warn_share),
            int(limit * self.settings.high_share),
            limit,
        ]

    def level(self, asked: Asked, measure: str, measured: int) -> int:
        return sum(measured > step for step in self.steps(asked, measure)[1:])

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
            multiplier = told.number("multiplier")
            self.instruments[p["symbol"]] = (multiplier or UNIT, told.text("currency") or "USD")
        elif p["pos"] or p["work"] or p["base"] or kind in OF_ITSELF or is_restated(p):
            self.book(p, told)

    def mark(self, symbol: str, px: int) -> None:
        if not px:
            return
        mark, fill, waiting = self.marks.get(symbol), self.last_fill.get(symbol), self.waiting.get(symbol)
        known = [reference for reference in (mark, fill, waiting) if reference]
        if not known or any(self.near(px, reference) for reference in known):
            self.marks[symbol] = px
            self.waiting.pop(symbol, None)
        else:
            self.waiting[symbol] = px

    def near(self, px: int, reference: int) -> bool:
        return abs(float(px) - float(reference)) <= self.settings.mark_near_share * abs(float(reference))

    def cell(self, p: Plain, kinds: tuple[str, ...]) -> Cell | None:
        attributes = dict(zip(WHO, p["who"] or ("",) * len(WHO), strict=True))
        attributes |= {"venue": p["venue"], "side": SIDES.get(p["sign"], "")}
        values = tuple(attributes[kind] for kind in kinds)
        if not all(values):
            return None
        key = (kinds, values, p["pair"])
        if key not in self.cells:
            account, symbol = p["pair"]
            own = dict(zip(kinds, values, strict=True)) | {"account": account, "symbol": symbol}
            self.cells[key] = Cell(kinds, own)
            self.ask(self.cells[key])
        return self.cells[key]

    def ask(self, cell: Cell) -> None:
        """Every scope with limits that a cell is in."""
        for kinds in self.shapes:
            if grain(kinds) != cell.grain or not all(cell.values[kind] for kind in kinds):
                continue
            own = {kind: cell.values[kind] for kind in kinds}
            limits: dict[str, Any] = {}
            for conditions, row in sorted(
                self.rows, key=lambda r: (list(r[0].values()).count(None), r[1]["scope"]), reverse=True
            ):
                if set(conditions) == kinds and all(
                    value in (None, own[kind]) for kind, value in conditions.items()
                ):
                    limits |= row
            scope = Scope.of(own)
            if len(limits) > 0:
                self.scopes.setdefault((scope.text, None), Asked(scope, limits, kinds, own))
            if "quantity" in limits and "symbol" not in kinds and cell.values["symbol"]:
                only = cell.values["symbol"]
                self.scopes.setdefault((scope.text, only), Asked(scope, limits, kinds, own, only))

    def begin_day(self, account: str, date: int) -> None:
        if self.dates[account]:
            for cell in self.cells.values():
                if cell.values["account"] == account:
                    cell.day_pos = cell.pos
        self.dates[account] = date

    def book(self, p: Plain, told: Event) -> None:
        kind, is_sent = p["kind"], p["kind"] == "ORDER_SENT"
        has_position = is_sent or kind == "POSITION_SET" or p["pos"] or p["base"] or is_restated(p)
        has_work = (p["work"] or kind == "ORDER_CHANGED") and p["order"] > 0 and not is_sent
        has_work = has_work and not (kind == "ORDER_CHANGED" and "ORDER_UNKNOWN" in p["bits"])
        legs: list[tuple[Cell | None, Cell | None]] = []
        sells = int(p["sign"] < 0)
        for kinds in self.grains:
            if kinds == () and not any(grain(shape) == () for shape in self.shapes):
                continue
            position = self.cell(p, kinds) if has_position else None
            work = None
            if has_work and kinds in self.orders.get(p["order"], {}):
                work, own_sells = self.orders[p["order"]][kinds]
                sells = own_sells if work else sells
            if is_sent and p["order"] > 0:
                self.orders.setdefault(p["order"], {})[kinds] = (position, sells)
            legs.append((work, position))
        today = days_of(told)
        is_moved = kind in ("MOVED_OUT", "MOVED_IN")
        if today > self.dates[p["account"]] and not is_moved and p["at"] >= told.ts:
            self.begin_day(p["account"], today)
        if kind == "EXECUTED" and p["pos"]:
            self.exec_dates[p["exec"]] = today
            if p["symbol"] and p["px"]:
                self.fill(p["symbol"], p["px"])
        if kind == "POSITION_SET":
            self.stated.add(p["account"])
        if kind != "MOVED_IN":
            self.before = {id(asked): self.measures(asked) for asked in self.scopes.values()}
            self.values_before = self.values()
        date = today if kind == "EXECUTED" or p["exec"] < 0 else self.exec_dates.get(p["exec"], today)
        for work, position in legs:
            if work is not None and work is not position:
                self.apply(work, p, sells, date, is_position=False, has_work=True)
            if position is not None:
                self.apply(position, p, sells, date, is_position=True, has_work=is_sent or work is position)
        for work, position in legs:
            for cell in (work, position):
                if cell is not None:
                    self.judge(cell, p, may_rise=kind != "POSITION_SET")
                    if is_sent or (kind == "ORDER_CHANGED" and p["work"] > 0 and "REPLACED" in p["bits"]):
                        self.caps(cell, p)

    def fill(self, symbol: str, px: int) -> None:
        self.last_fill[symbol] = px
        if symbol in self.waiting and self.near(px, self.waiting[symbol]):
            self.marks[symbol] = self.waiting.pop(symbol)

    def apply(
        self, cell: Cell, p: Plain, sells: int, date: int, *, is_position: bool, has_work: bool
    ) -> None:
        kind, px = p["kind"], p["px"]
        if is_position:
            cell.pos += p["pos"]
            cell.base += p["base"]
            if p["pos"] and date < self.dates[cell.values["account"]]:
                cell.day_pos += p["pos"]
            if p["pos"] and kind in ("EXECUTED", "MOVED_IN") and px:
                cell.fills.append([p["exec"], px])
            elif p["pos"] or is_restated(p):
                for fill in cell.fills:
                    if fill[0] == p["exec"] and fill[1]:
                        fill[1] = 0 if kind in ("BUSTED", "MOVED_OUT") else px or fill[1]
        if has_work and sells:
            cell.sells += p["work"]
        elif has_work:
            cell.buys += p["work"]
        if (
            kind in ("ORDER_SENT", "ORDER_CHANGED", "POSITION_SET")
            and px is not None
            and "PACKAGE" not in p["bits"]
        ):
            cell.said = px

    # -- judging ----------------------------------------------------------------------------------

    def scopes_of(self, cell: Cell) -> list[Asked]:
        return [asked for asked in self.scopes.values() if self.inside(asked, cell)]

    def has_changed(self, asked: Asked) -> bool:
        basis = asked.limits.get("basis", "intraday")
        return any(
            self.value(cell, basis)
            != self.values_before.get(id(cell), {}).get(basis, dict.fromkeys(self.value(cell, basis), 0))
            for cell in self.cells.values()
            if self.inside(asked, cell)
        )

    def judge(self, cell: Cell, p: Plain, *, may_rise: bool) -> None:
        for asked in self.scopes_of(cell):
            if not self.has_changed(asked):
                continue
            asked.date = max(asked.date, self.dates[p["account"]])
            for measure, measured in self.measures(asked).items():
                if not (steps := self.steps(asked, measure)):
                    continue
                crossing = asked.crossings[measure]
                crossing.settle(p["low"])
                level = self.level(asked, measure, measured)
                if not may_rise or measured <= self.before.get(id(asked), {}).get(measure, 0):
                    level = min(level, crossing.held)
                if crossing(level, p["low"]):
                    self.say(asked, measure, level, p["row"], p["at"], measured, steps[level])

    def say(self, asked: Asked, reason: str, rung: int, row: int, at: int, measured: int, limit: int, *, by_mark: bool = False, scope: Scope | None = None) -> None:  # fmt: skip
        if rung == HIGH and reason in ("gross", "net", "quantity"):
            if self.paged_on[asked.scope.text, reason] >= asked.date:
                return
            self.paged_on[asked.scope.text, reason] = asked.date
        unit = MONEY if reason in ("gross", "net", "order_notional", "session_notional") else UNIT
        usd = self.measures(asked)["gross"]
        self.said.append({"reason": reason, "severity": rung, "scope": (scope or asked.scope).text, "row": row, "at_ns": at, "measured": measured / unit, "limit": limit / unit, "by_mark": by_mark, "usd": usd / MONEY})  # fmt: skip

    def caps(self, cell: Cell, p: Plain) -> None:
        is_new, rate = p["kind"] == "ORDER_SENT", self.rate(cell)
        unpriced = round(self.settings.unpriced_notional * MONEY)
        added = p["qty"] if is_new else p["work"]
        usd = round(p["qty"] * rate) if rate else unpriced
        added_usd = round(added * rate) if rate else (unpriced if is_new else 0)
        is_package = "PACKAGE" in p["bits"]
        for asked in self.scopes_of(cell):
            if asked.only is not None:
                continue
            asked.date = max(asked.date, self.dates[p["account"]])
            if asked.day < asked.date:
                asked.day, asked.count, asked.total = asked.date, 0, 0
            asked.count += UNIT * is_new
            asked.total += 0 if is_package or "CONDITIONAL" in p["bits"] else added_usd
            for reason, measured, unit in (
                ("order_notional", 0 if is_package else usd, MONEY),
                ("order_quantity", p["qty"], UNIT),
            ):
                if reason in asked.limits:
                    self.cap(asked, reason, measured, round(asked.limits[reason] * unit), p)
            for reason, measured, hard, unit in (
                ("session_notional", asked.total, "hard_notional", MONEY),
                ("session_orders", asked.count, "hard_orders", UNIT),
            ):
                rung, limit = 0, 0
                if reason in asked.limits:
                    cap = round(asked.limits[reason] * unit)
                    warn = int(cap * self.settings.warn_share)
                    rung, limit = (
                        (HIGH, cap) if measured > cap else (WARN, warn) if measured > warn else (0, 0)
                    )
                if hard in asked.limits and measured > round(asked.limits[hard] * unit):
                    rung, limit = HALT, round(asked.limits[hard] * unit)
                if (reason in asked.limits or hard in asked.limits) and asked.crossings[reason](
                    rung, p["low"]
                ):
                    self.say(asked, reason, rung, p["row"], p["at"], measured, limit)

    def cap(self, asked: Asked, reason: str, measured: int, cap: int, p: Plain) -> None:
        warn, extreme = int(cap * self.settings.warn_share), int(cap * self.settings.order_halt_times)
        if measured <= warn:
            return
        rung, limit, session = WARN, warn, None
        if measured > cap:
            overs = asked.overs[reason]
            overs.append((p["low"], p["session"]))
            last = overs[-self.settings.orders_over_count :]
            window = self.settings.orders_over_window_s * SECOND
            is_burst = len(last) == self.settings.orders_over_count and p["low"] - last[0][0] < window
            is_one = len(last) == self.settings.orders_over_count and {name for _, name in last} == {
                p["session"]
            }
            session = p["session"] if p["session"] and (measured > extreme or is_one) else None
            rung, limit = HIGH, cap
            is_extreme = measured > extreme or is_burst
            if is_extreme and (session is None or self.sessions[session, reason].at_event(HALT, p["low"])):
                rung, limit = HALT, extreme if measured > extreme else cap
        is_said = asked.crossings[reason].at_event(rung, p["low"])
        if rung == HALT and session:
            self.say(asked, reason, rung, p["row"], p["at"], measured, limit, scope=Scope.of(session=session))
        elif is_said:
            self.say(asked, reason, rung, p["row"], p["at"], measured, limit)

    # -- time -------------------------------------------------------------------------------------

    def advance(self, low: int, row: int = -1) -> None:
        target = low // SECOND
        if low <= 0:
            return
        self.ticked = self.ticked or target
        for second in range(self.ticked + 1, min(target, self.ticked + 3 * EARLY) + 1):
            for asked in self.scopes.values():
                self.evaluate(asked, second, row)
        self.ticked = target

    def evaluate(self, asked: Asked, second: int, row: int) -> None:
        at, share, running = second * SECOND, 0.0, self.settings.running_count
        for measure, measured in self.measures(asked).items():
            if not (steps := self.steps(asked, measure)):
                continue
            share = max(share, measured / steps[-1])
            level = self.level(asked, measure, measured)
            for rung in (WARN, HIGH, HALT):
                asked.runs[measure, rung] = asked.runs[measure, rung] + 1 if level >= rung else 0
            stands = max(
                (rung for rung in (WARN, HIGH, HALT) if asked.runs[measure, rung] >= running), default=0
            )
            crossing = asked.crossings[measure]
            crossing.settle(at)
            rung = max(min(level, crossing.held), stands)
            if crossing(rung, at):
                self.say(asked, measure, rung, row, at, measured, steps[rung], by_mark=True)
        floor = round(self.settings.floor_share * UNIT)  # growth below it is too slow for a warning
        now = max(int(min(share, 1e6) * UNIT), floor)
        then, long_ago = (max(asked.history[-n], floor) for n in (1, 10))
        growth = min(float(now - then), (now - long_ago) / 10)
        asked.history = [*asked.history[1:], now]
        left = float("inf")
        if growth > 0 and now < UNIT:
            left = int((UNIT - now) / growth * UNIT)
        warn, high = (
            round(s * UNIT) for s in (self.settings.warn_time_to_limit_s, self.settings.high_time_to_limit_s)
        )
        asked.time_runs = asked.time_runs + 1 if left < high else 0
        rung, limit = (HIGH, high) if asked.time_runs >= running else (WARN, warn) if left < warn else (0, 0)
        if asked.crossings["time"](rung, at):
            self.say(asked, "time_to_limit", rung, row, at, left, limit)  # type: ignore[arg-type]


def days_of(told: Event) -> int:
    """Its trade date, in days since 1970."""
    return (date.fromisoformat(told.trade_date) - date(1970, 1, 1)).days


def is_restated(p: Plain) -> bool:
    """An execution has other numbers now, perhaps only another price."""
    return p["kind"] in ("CORRECTED", "CONFLICT") and p["exec"] > 0


def grain(kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(kinds - {"account", "symbol"}))

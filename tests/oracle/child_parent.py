"""`detectors.child_parent`, slow and obvious: everything is kept, every window is counted again.

Reads the same postings and the same settings; says (reason, severity, scope, measured, limit, unit, at, row, usd).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.posting import Note
from detectors.posting import PostingKind as K
from tests.oracle.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detectors.contract import Postings, View

UNIT: Final = 10**8
TIMES_MAX: Final = 9e10  # more is said as this
SECOND: Final = 10**9
TICK: Final = SECOND // 10
REARM: Final = SECOND
WARN, HIGH, HALT = 1, 2, 3

Place = tuple[str, str]  # ("host", "gw-1"); ("", "") is the firm
Said = tuple[str, int, str, float, float, str, int, int, float | None]
FIRM: Final = ("", "")


@dataclass
class Crossing:
    """The rung held falls when it was not reached for a second."""

    held: int = 0
    below: list[tuple[int, int]] = field(default_factory=list)  # (time, rung) since it is below

    def __call__(self, rung: int, at: int) -> int:
        if self.below and at - self.below[0][0] >= REARM:
            self.held, self.below = max(r for _, r in self.below), []
        if rung < self.held:
            self.below.append((at, rung))
            return 0
        self.below.clear()
        is_up, self.held = rung > self.held, rung
        return rung if is_up else 0


@dataclass
class EventCrossing(Crossing):
    """Of what is true at an event only: it falls right after it."""

    last: int = 0

    def __call__(self, rung: int, at: int) -> int:
        if at - self.last >= REARM:
            self.held, self.below = 0, []
        super().__call__(0, self.last)
        self.last = max(at, self.last)
        return super().__call__(rung, at)


@dataclass
class Parent:
    qty: int = 0
    filled: int = 0
    working: int = 0
    booked: int = 0
    done: tuple[int, int] | None = None  # (when, host code)
    opened_again_at: int = 0
    is_heard: bool = False
    late: list[tuple[int, Place, float]] = field(default_factory=list)
    voided: int = 0
    place: Place = FIRM
    over_at: int = 0
    over_place: Place = FIRM
    is_paged: bool = False
    crossing: Crossing = field(default_factory=Crossing)

    @property
    def covered(self) -> int:
        return self.filled + max(self.working, 0)


class ChildParent:
    def __init__(self, settings: Any, view: View) -> None:
        self.s, self.view, self.names = settings, view, view.names
        self.slack = round(settings.overcommit_slack_qty * UNIT)
        self.is_cold, self.first_date = view.cold, 0
        self.parents: dict[int, Parent] = defaultdict(Parent)
        self.bounds: dict[int, int] = {}
        self.builds: dict[int, int] = {}
        self.prices: dict[int, int] = {}
        self.money = Money(view.names)
        self.wrong_usd: dict[Place, float] = defaultdict(float)
        self.wrongs: dict[Place, dict[int, tuple[int, int]]] = defaultdict(dict)  # parent -> (at, voided)
        self.newest: dict[Place, int] = defaultdict(int)
        self.traits: dict[Place, dict[str, int]] = defaultdict(dict)
        self.halted: dict[Place, int] = {}
        self.crossings: dict[Any, EventCrossing] = defaultdict(EventCrossing)
        self.levels: dict[Any, Crossing] = defaultdict(Crossing)
        self.waiting: list[tuple[str, Parent, int, int, Place, float | int | None]] = []
        self.orphans: dict[Place, list[tuple[int, float]]] = defaultdict(list)  # (bucket, usd)
        self.children: dict[tuple[Place, int], list[tuple[int, int]]] = defaultdict(list)  # (second, parent)
        self.running: dict[Any, list[float]] = defaultdict(list)
        self.ticked = 0
        self.busy_until = 0
        self.chains: dict[int, tuple[int, int, Crossing]] = {}  # order -> (sent at, first quantity, crossing)
        self.early: dict[int, tuple[int, int]] = {}

    # -- looking up ---------------------------------------------------------------------------

    def place(self, p: Any, *, session_first: bool = False) -> Place:
        kinds = [
            (po.HOST, nm.HOST, "host"),
            (po.SESSION, nm.SESSION, "session"),
            (po.ACCOUNT, nm.ACCOUNT, "account"),
        ]
        if session_first:
            kinds.insert(0, kinds.pop(1))
        for column, kind, word in kinds:
            if p[column] > nm.OTHER:
                return word, self.names.text(kind, int(p[column]))
        return FIRM

    def price(self, p: Any) -> int | None:
        symbol = int(p[po.SYMBOL])
        px = int(p[po.PX]) if p[po.PX] not in (0, ev.NONE) else self.prices.get(symbol)
        return px if px is None else self.money.in_dollars(px, symbol)

    def usd(self, qty: int, px: int | None) -> float:
        return self.s.unpriced_usd if px is None else round(qty * abs(px) / 1e12) / 1e4

    def say(self, reason: str, rung: int, place: Place, measured: float, limit: float, at: int, row: int, usd: float | None, unit: str = "") -> Said:  # fmt: skip
        units = {"child_after_done": "children", "overcommit": "shares", "orphan_child": "orders", "ratio": "children/parent", "chain_growth": "times"}  # fmt: skip
        scope = f"{place[0]}={place[1]}" if place[0] else "*"
        return reason, rung, scope, measured, limit, unit or units[reason], at, row, usd

    # -- what happens -------------------------------------------------------------------------

    def hear(self, postings: Postings) -> Iterator[Said]:
        for p in postings.rows:
            row = postings.batch.rows[p[po.ROW]]
            yield from self.pass_time(int(p[po.LOW]), int(p[po.ROW]))
            self.warm(row)
            kind, parent = int(p[po.KIND]), int(p[po.PARENT])
            if kind in (K.EXECUTED, K.MARKED) and p[po.PX] not in (0, ev.NONE) and p[po.SYMBOL] > nm.OTHER:
                self.prices[int(p[po.SYMBOL])] = int(p[po.PX])
            self.money.hear(p, row)
            if kind == K.EVENT and row[ev.KIND] == ev.Kind.HEARTBEAT:
                self.heartbeat(row)
            if kind == K.ORDER_CHANGED and p[po.BITS] & Note.REPLACED:
                yield from self.replaced(p)
            if kind == K.ORDER_SENT:
                yield from self.sent(p, row)
            if parent >= 0:
                yield from self.concerns(p, row, self.parents[parent])

    def warm(self, row: Any) -> None:
        self.first_date = self.first_date or int(row[ev.TRADE_DATE])
        opens = row[ev.KIND] == ev.Kind.SESSION_PHASE and row[ev.PHASE] == ev.Phase.PRE_OPEN
        self.is_cold = self.is_cold and not opens and row[ev.TRADE_DATE] <= self.first_date

    def heartbeat(self, row: Any) -> None:
        if row[ev.CLOCK_BOUND] != ev.NONE:
            self.bounds[int(row[ev.HOST])] = int(row[ev.CLOCK_BOUND])
        if row[ev.BUILD]:
            self.builds[int(row[ev.HOST])] = int(row[ev.BUILD])

    def sent(self, p: Any, row: Any) -> Iterator[Said]:
        order, number, at, place = int(p[po.ORDER]), int(p[po.PARENT]), int(p[po.AT]), self.place(p)
        self.chains[order] = (int(p[po.SENT_AT]), int(p[po.QTY]), Crossing())
        early = self.early.pop(order, None)
        if p[po.BITS] & Note.LATE_ORDER and early and at - early[1] < 10 * SECOND:
            yield from self.chain(p, early[0])
        usd = self.usd(int(p[po.QTY]), self.price(p))
        must = self.must_name_parent(p)
        if number < 0:
            if must:
                self.orphan(place, usd, at)
            return
        parent = self.parents[number]
        parent.place = place
        now = self.ticked // 10
        second = at // SECOND if now - 10 < at // SECOND <= now + 5 else now
        self.children[place, int(p[po.STRATEGY])].append((second, number))
        self.busy_until = max(self.busy_until, 10 * (now + 20))
        if must and not parent.is_heard:
            due = max(int(p[po.CLOCK]), int(p[po.LOW])) + self.s.orphan_announce_ns
            self.waiting.append(("orphan", parent, due, 0, place, usd))
        yield from self.after_done(p, row, parent, place, usd)

    def must_name_parent(self, p: Any) -> bool:
        host = self.names.text(nm.HOST, int(p[po.HOST])) if p[po.HOST] > nm.OTHER else ""
        strategy = self.names.text(nm.STRATEGY, int(p[po.STRATEGY]))
        return any(
            any(fnmatchcase(host, h) for h in told["hosts"])
            and any(fnmatchcase(strategy, s) for s in told["strategies"])
            for told in self.view.parented
        )

    # -- child_after_done ---------------------------------------------------------------------

    def is_overfilled(self, parent: Parent) -> bool:
        return parent.qty > 0 and parent.filled > parent.qty + self.slack

    def after_done(self, p: Any, row: Any, parent: Parent, place: Place, usd: float) -> Iterator[Said]:
        at = int(p[po.AT])
        is_late = False
        if parent.done:
            bounds = [self.bounds.get(h, self.view.clock_bound_ns) for h in (int(p[po.HOST]), parent.done[1])]
            grace = max(self.s.after_done_grace_ns_min, self.s.after_done_grace_bounds_count * max(bounds))
            is_late = at > parent.done[0] + grace
        if not is_late and not self.is_overfilled(parent):
            return
        rungs: list[tuple[int, int, int]] = [(0, 0, 1)]  # (rung, measured, limit)
        if is_late:
            parent.late.append((at, place, usd))
            count, k = len(parent.late), self.s.after_done_halt_count
            rungs.append((WARN, count, 1))
            if count >= self.s.after_done_high_count:
                rungs.append((HIGH, count, self.s.after_done_high_count))
            if count >= k and (k == 1 or at - parent.late[-k][0] < self.s.after_done_halt_window_ns):
                rungs.append((HALT, k, k))
            if count >= self.s.after_done_halt_total_count:
                rungs.append((HALT, count, self.s.after_done_halt_total_count))
        self.wrong_usd[place] += usd
        self.newest[place] = max(at, self.newest[place])
        build = int(row[ev.BUILD]) or self.builds.get(int(p[po.HOST]), 0)
        self.traits[place]["strategy"] = int(p[po.STRATEGY])
        if build:
            self.traits[place]["build"] = build
        number = int(p[po.PARENT])
        before = self.wrongs[place].get(number, (0, 0))[0]
        self.wrongs[place][number] = (max(at, before), parent.voided)
        wronged = 0
        for other, (when, voided) in self.wrongs[place].items():
            m = self.parents[other]
            is_recent = self.newest[place] - when < self.s.after_done_parents_window_ns
            wronged += is_recent and m.voided == voided and bool(m.late or self.is_overfilled(m))
        if wronged >= self.s.after_done_parents_count and rungs[-1][0] < HALT:
            rungs.append((HALT, wronged, self.s.after_done_parents_count))
        rung, measured, limit = rungs[-1]
        if rung == HALT:
            self.halted[place] = max(at, self.halted.get(place, 0))
        if rung := self.crossings["after_done", place](rung, at):
            scope, exposed = self.shared(place, at) if rung == HALT else (place, self.wrong_usd[place])
            yield self.say("child_after_done", rung, scope, measured, limit, at, int(p[po.ROW]), exposed)

    def shared(self, place: Place, at: int) -> tuple[Place, float]:
        wild = [q for q, when in self.halted.items() if at - when < self.s.after_done_parents_window_ns]
        if len(wild) < self.s.after_done_widen_count:
            return place, self.wrong_usd[place]
        exposed = sum(self.wrong_usd[q] for q in wild)
        for kind, word in ((nm.BUILD, "build"), (nm.STRATEGY, "strategy")):
            values = {self.traits[q].get(word, 0) for q in wild}
            if len(values) == 1 and min(values) > nm.OTHER:
                return (word, self.names.text(kind, values.pop())), exposed
        return FIRM, exposed

    def reopen(self, parent: Parent, at: int) -> None:
        if parent.late:
            last = parent.late[-1][1]
            self.wrong_usd[last] = max(0.0, self.wrong_usd[last] - sum(usd for _, _, usd in parent.late))
        parent.done, parent.late, parent.voided = None, [], parent.voided + 1
        parent.opened_again_at = at

    # -- parents ------------------------------------------------------------------------------

    def concerns(self, p: Any, row: Any, parent: Parent) -> Iterator[Said]:
        kind, qty, fill = int(p[po.KIND]), int(p[po.QTY]), int(p[po.FILL])
        if K.PARENT_OPENED <= kind <= K.PARENT_DONE:
            place = parent.place
            parent.is_heard = True
            if kind in (K.PARENT_OPENED, K.PARENT_AMENDED):
                parent.qty = max(parent.qty, qty)
            if kind == K.PARENT_AMENDED and parent.done:
                self.reopen(parent, int(p[po.AT]))
            if kind == K.PARENT_BOOKED:
                parent.booked += qty
                if qty < 0 and parent.done and (not parent.qty or parent.booked < parent.qty):
                    self.reopen(parent, int(p[po.AT]))
            if kind == K.PARENT_DONE and not parent.done:
                parent.done = (int(p[po.AT]), int(row[ev.HOST]))
        else:
            place = self.place(p)
            is_done_again = kind == K.DUPLICATE and row[ev.KIND] == ev.Kind.PARENT_DONE
            if is_done_again and not parent.done and p[po.AT] > parent.opened_again_at:
                parent.done = (int(p[po.AT]), int(row[ev.HOST]))
            if p[po.BITS] & (Note.OFF_PARENT | Note.PACKAGE) or not (fill or p[po.WORK]):
                return
            parent.filled += fill
            parent.working += int(p[po.WORK])
            is_undone = kind in (K.BUSTED, K.CORRECTED) and fill < 0
            if is_undone and parent.done and p[po.SENT_AT] <= parent.done[0] + self.s.after_done_grace_ns_min:
                self.reopen(parent, int(p[po.AT]))
            if kind == K.MOVED_OUT:
                return
        if parent.qty:
            yield from self.overcommit(p, parent, place)

    def overcommit(self, p: Any, parent: Parent, place: Place) -> Iterator[Said]:
        at, px, row, allowed = int(p[po.AT]), self.price(p), int(p[po.ROW]), parent.qty + self.slack
        if parent.covered <= allowed:
            parent.over_at, parent.is_paged = 0, False
            parent.crossing(0, at)
        else:
            if not parent.over_at:
                parent.over_at, parent.over_place = max(at, int(p[po.LOW])), place
                due = parent.over_at + self.s.overcommit_high_after_ns
                self.waiting.append(("overcommit", parent, due, parent.over_at, place, px))
            if rung := parent.crossing(HIGH if parent.is_paged else WARN, at):
                usd = self.usd(parent.covered - parent.qty, px)
                yield self.say("overcommit", rung, place, parent.covered / UNIT, allowed / UNIT, at, row, usd)
        over = self.usd(parent.filled - parent.qty, px)
        limit = self.s.overcommit_halt_times * parent.qty
        if p[po.FILL] > 0 and parent.filled > limit and over > self.s.overcommit_halt_usd:
            if parent.over_at and 0 < p[po.SENT_AT] < parent.over_at:
                place = parent.over_place
            if self.crossings["overcommit", place](HALT, at):
                yield self.say(
                    "overcommit", HALT, place, parent.filled / UNIT, round(limit) / UNIT, at, row, over
                )

    # -- chain_growth -------------------------------------------------------------------------

    def replaced(self, p: Any) -> Iterator[Said]:
        if p[po.BITS] & Note.ORDER_UNKNOWN:
            self.early[int(p[po.ORDER])] = (int(p[po.QTY]), int(p[po.AT]))
        else:
            yield from self.chain(p, int(p[po.QTY]))

    def chain(self, p: Any, total: int) -> Iterator[Said]:
        _, first, crossing = self.chains[int(p[po.ORDER])]
        at, usd, times = int(p[po.AT]), self.usd(total, self.price(p)), min(total / first, TIMES_MAX)
        rung, limit = 0, self.s.chain_warn_times
        if times >= self.s.chain_warn_times:
            rung = WARN
        if times >= self.s.chain_high_times and usd >= self.s.chain_high_usd:
            rung, limit = HIGH, self.s.chain_high_times
        if times >= self.s.chain_halt_times and usd >= self.s.chain_halt_usd:
            rung, limit = HALT, self.s.chain_halt_times
        if rung := crossing(rung, at):
            place = self.place(p, session_first=True)
            yield self.say("chain_growth", rung, place, times, limit, at, int(p[po.ROW]), usd)

    # -- time ---------------------------------------------------------------------------------

    def pass_time(self, low: int, row: int = -1) -> Iterator[Said]:
        target = low // TICK
        self.ticked = self.ticked or target
        while self.ticked < target:
            if not self.waiting and self.busy_until <= self.ticked:
                self.ticked = target
                return
            tick = self.ticked + 1
            yield from self.decide(tick * TICK, row)
            yield from self.close_orphans(tick, row)
            if tick % 10 == 0:
                yield from self.close_ratio(tick // 10, row)
            self.ticked = tick

    def decide(self, at: int, row: int) -> Iterator[Said]:
        due = [w for w in self.waiting if w[2] <= at]
        self.waiting = [w for w in self.waiting if w[2] > at]
        for what, parent, _, since, place, worth in due:
            if what == "orphan":
                if not parent.is_heard:
                    self.orphan(place, float(worth or 0), at - 1)
            elif parent.over_at == since:
                parent.is_paged = True
                if parent.crossing(HIGH, at):
                    usd = self.usd(parent.covered - parent.qty, None if worth is None else int(worth))
                    allowed = (parent.qty + self.slack) / UNIT
                    yield self.say("overcommit", HIGH, place, parent.covered / UNIT, allowed, at, row, usd)

    def orphan(self, place: Place, usd: float, at: int) -> None:
        bucket = at // TICK if self.ticked - 100 < at // TICK <= self.ticked + 27 else self.ticked
        self.orphans[place].append((bucket, usd))
        self.busy_until = max(self.busy_until, self.ticked + 177)

    def close_orphans(self, tick: int, row: int) -> Iterator[Said]:
        s = self.s
        for place, orphans in self.orphans.items():
            worth = [usd for bucket, usd in orphans if tick - 100 <= bucket < tick]
            count, usd = len(worth), sum(worth)
            rung, measured, limit, unit = 0, float(count), s.orphan_warn_count, ""
            if count >= s.orphan_warn_count:
                rung = WARN
            if count >= s.orphan_high_count:
                rung, limit = HIGH, s.orphan_high_count
            elif count and usd >= s.orphan_high_usd:
                rung, measured, limit, unit = HIGH, usd, s.orphan_high_usd, "USD"
            if count >= s.orphan_halt_count and usd >= s.orphan_halt_usd and not self.is_cold:
                rung, limit = HALT, s.orphan_halt_count
            if rung := self.levels["orphan", place](rung, tick * TICK):
                yield self.say("orphan_child", rung, place, measured, limit, tick * TICK, row, usd, unit)

    def close_ratio(self, now: int, row: int) -> Iterator[Said]:
        s = self.s
        for pair, children in self.children.items():
            window = [parent for second, parent in children if now - 10 <= second < now]
            ratio = len(window) / max(len(set(window)), 1)
            ratios = self.running[pair]
            ratios.append(ratio)
            rung, limit = (WARN if ratio >= s.ratio_warn_times else 0), s.ratio_warn_times
            for level, times in ((HIGH, s.ratio_high_times), (HALT, s.ratio_halt_times)):
                last = ratios[-s.ratio_running_count :]
                is_running = len(last) == s.ratio_running_count and min(last) >= times * s.ratio_warn_times
                known = [m for m in (self.parents[number] for number in set(window)) if m.qty]
                is_beyond = sum(m.covered for m in known) > sum(m.qty for m in known)
                if is_running and (level == HIGH or is_beyond):
                    rung, limit = level, times * s.ratio_warn_times
            if rung := self.levels["ratio", pair](rung, now * SECOND):
                yield self.say("ratio", rung, pair[0], ratio, limit, now * SECOND, row, None)

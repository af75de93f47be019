"""`detectors.fill_gap`, slow and obvious: a list of whatever waits, gone through at each tenth of a second.

Reads the same postings and the same settings; says (reason, severity, scope, measured, limit, unit, at, row, usd).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.posting import Note
from detectors.posting import PostingKind as K
from detectors.scope import Scope
from tests.oracle.child_parent import Crossing
from tests.oracle.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detectors.contract import Postings, View

UNIT: Final = 10**8
SECOND: Final = 10**9
TICK: Final = SECOND // 10
WARN, HIGH, HALT = 1, 2, 3
AHEAD: Final = 100
PATIENCE_MAX: Final = 30 * SECOND
UNITS: Final = {"ack_gap": "orders", "unconfirmed": "s", "witness_missing": "s", "orphan_fill": "fills"}

Place = tuple[str, str]  # ("session", "s1"); ("", "") is the firm
Said = tuple[str, int, str, float, float, str, int, int, float | None]
FIRM: Final = ("", "")


@dataclass(eq=False)
class Wait:
    what: str
    since: int
    place: Place
    part: int
    usd: float = 0.0
    end: int | None = None
    parent: Parent | None = None
    rung: int = 0
    day: int = 0
    is_cold: bool = False
    is_counted: bool = False
    is_doubted: bool = False  # it waits from when time is known again

    def waits_at(self, at: int) -> bool:
        return self.end is None or self.end >= at


@dataclass(eq=False)
class Parent:
    name: str
    is_heard: bool = False
    is_opened: bool = False
    filled: int = 0
    booked: int = 0
    level: int = 0
    px: int = 0
    place: Place = FIRM
    part: int | None = None
    gap: Wait | None = None
    marks: list[list[int]] = field(default_factory=list)  # (begun, last, filled) of at most two seconds each
    crossing: Crossing = field(default_factory=Crossing)

    @property
    def unbooked_usd(self) -> float:
        return worth(max(self.filled - self.booked, 0), self.px)


@dataclass
class Execution:
    code: int
    usd: float
    copy: Wait | None = None
    orphan: Wait | None = None


@dataclass
class Orphans:
    day: int = 0
    fills: int = 0
    usd: float = 0.0
    warm_usd: float = 0.0


@dataclass
class Witness:
    asked: int = 0
    end: int = 0
    next_asked: int = 0
    heard: int = 0
    crossing: Crossing = field(default_factory=Crossing)


def worth(qty: int, px: int) -> float:
    return round(qty * abs(px) / 1e12) / 1e4


def first_bucket(at: int) -> int:
    return -(-at // TICK)


class FillGap:
    def __init__(self, settings: Any, view: View) -> None:
        self.s, self.view, self.names = settings, view, view.names
        self.money = Money(view.names)
        self.ticked = 0
        self.is_doubted = False  # nobody confirms yet what time the event at hand says that it is
        self.until = 0
        self.places: dict[Place, int] = {
            FIRM: 0
        }  # in the order in which they were met: judged until this tick
        self.waits: list[Wait] = []
        self.orders: dict[int, Wait] = {}
        self.executions: dict[int, Execution] = {}
        self.parents: dict[int, Parent] = {}
        self.sent: dict[Place, list[int]] = defaultdict(list)
        self.answers: dict[Place, list[int]] = defaultdict(list)
        self.orphans: dict[Place, Orphans] = defaultdict(Orphans)
        self.witnesses: dict[tuple[int, int], Witness] = defaultdict(Witness)
        self.crossings: dict[Any, Crossing] = defaultdict(Crossing)

    # -- what happens -------------------------------------------------------------------------

    def hear(self, postings: Postings) -> Iterator[Said]:
        for p in postings.rows:
            yield from self.pass_time(int(p[po.LOW]), int(p[po.ROW]))
            kind, parent = int(p[po.KIND]), int(p[po.PARENT])
            now = max(int(p[po.AT]), int(p[po.LOW]))
            row = postings.batch.rows[p[po.ROW]]
            self.is_doubted = row[ev.ARRIVAL] <= 0 and row[ev.TS] - p[po.AT] > 5 * SECOND
            self.money.hear(p, row)
            place = strategy = FIRM
            if kind in (K.ORDER_SENT, K.EXECUTED, K.MOVED_IN):
                place, strategy = self.place(p, "session"), self.place(p, "strategy")
            if kind == K.ORDER_SENT:
                self.order_sent(p, now, place, strategy)
            if kind in (K.ORDER_ANSWERED, K.ORDER_OUT) and int(p[po.ORDER]) in self.orders:
                self.order_answered(p, now)
            if kind == K.EXECUTED:
                self.executed(p, row, now, place)
            if kind in (K.BUSTED, K.CORRECTED, K.MOVED_OUT, K.DUPLICATE, K.CONFLICT) and p[po.EXEC] > 0:
                self.told_more(p, now)
            is_word = K.PARENT_OPENED <= kind <= K.PARENT_DONE
            if parent > 0 and "parent_fill" in self.view.witnesses and (is_word or p[po.FILL] != 0):
                self.of_parent(p, now, parent, strategy)

    def price(self, p: Any) -> int:
        return self.money.in_dollars(int(p[po.PX]), int(p[po.SYMBOL]))

    def place(self, p: Any, first: str) -> Place:
        strategy = (po.STRATEGY, nm.STRATEGY, "strategy")
        session = (po.SESSION, nm.SESSION, "session")
        found = FIRM
        for column, kind, word in (
            strategy if first == "strategy" else session,
            (po.HOST, nm.HOST, "host"),
            (po.ACCOUNT, nm.ACCOUNT, "account"),
        ):
            if p[column] > nm.OTHER:
                found = (word, self.names.text(kind, int(p[column])))
                break
        self.places.setdefault(found, 0)
        return found

    def judge_until(self, at: int, place: Place | None = None) -> None:
        self.until = max(self.until, at // TICK + 1)
        if place is not None:
            self.places[place] = max(self.places[place], at // TICK + 1)

    def wait(self, wait: Wait) -> Wait:
        wait.is_doubted = self.is_doubted
        self.waits.append(wait)
        return wait

    # -- orders -------------------------------------------------------------------------------

    def order_sent(self, p: Any, now: int, place: Place, strategy: Place) -> None:
        s, part = self.s, int(p[po.PART])
        bucket = min(now // TICK, self.ticked + AHEAD) if self.ticked else now // TICK
        for each in {place, strategy}:
            self.sent[each].append(bucket)
        self.judge_until(now + max(s.ack_warn_ns, s.ack_high_ns, s.sending_ns), place)
        if "order_ack" in self.view.witnesses and not p[po.BITS] & Note.MANUAL:
            usd = worth(int(p[po.QTY]), self.price(p)) if p[po.PX] != ev.NONE else 0.0
            self.orders[int(p[po.ORDER])] = self.wait(Wait("ack", now, place, part, usd))
            self.ask(part, 0, now)

    def order_answered(self, p: Any, now: int) -> None:
        wait = self.orders.pop(int(p[po.ORDER]))
        wait.end = now
        if not wait.is_doubted and now - wait.since > self.s.lost_after_ns:
            return
        self.judge_until(now, wait.place)
        if p[po.KIND] == K.ORDER_ANSWERED:
            self.hear_witness(wait.part, 0, now)
            self.answers[wait.place].append(0 if wait.is_doubted else (now - wait.since) // TICK)

    def patience(self, place: Place) -> int:
        answers = sorted(min(max(a, 0), 63) for a in self.answers[place])
        if not answers:
            return int(self.s.ack_halt_ns)
        p99 = (answers[ceil(len(answers) * 99 / 100) - 1] + 1) * TICK
        return int(max(self.s.ack_halt_ns, min(int(p99 * self.s.ack_halt_times), PATIENCE_MAX)))

    def is_sending(self, place: Place, at: int) -> bool:
        return any(first_bucket(at - self.s.sending_ns) <= b < at // TICK for b in self.sent[place])

    # -- executions ---------------------------------------------------------------------------

    def executed(self, p: Any, row: Any, now: int, place: Place) -> None:
        s, part, x = self.s, int(p[po.PART]), int(p[po.EXEC])
        is_copy = bool(p[po.BITS] & Note.DROP_COPY)
        has_copy = "drop_copy" in self.view.witnesses
        self.executions.pop(x, None)
        if has_copy and is_copy:
            self.hear_witness(part, 2, now)
        if p[po.FILL] == 0 or p[po.BITS] & Note.MANUAL:
            return
        usd = worth(int(p[po.QTY]), self.price(p))
        execution = self.executions[x] = Execution(x, usd)
        if has_copy and not is_copy:
            execution.copy = self.wait(Wait("copy", now, place, part, usd))
            self.judge_until(now + s.unconfirmed_allowance_ns + s.unconfirmed_halt_ns, place)
            self.ask(part, 2, now)
        if p[po.BITS] & Note.ORDER_UNKNOWN:
            is_cold = bool(p[po.BITS] & Note.BEFORE_START)
            orphan = Wait("orphan", now, place, part, usd, day=int(row[ev.TRADE_DATE]), is_cold=is_cold)
            execution.orphan = self.wait(orphan)
            self.judge_until(now + s.orphan_fill_announce_ns, place)

    def told_more(self, p: Any, now: int) -> None:
        kind, part = int(p[po.KIND]), int(p[po.PART])
        if kind == K.MOVED_OUT:
            now = max(int(p[po.CLOCK]), int(p[po.LOW]))
        is_told = bool(p[po.BITS] & Note.DROP_COPY) and kind != K.MOVED_OUT
        if is_told and "drop_copy" in self.view.witnesses and kind in (K.BUSTED, K.CORRECTED):
            self.hear_witness(part, 2, now)
        x = self.executions.get(int(p[po.EXEC]))
        if x is None:
            return
        is_gone = kind == K.BUSTED
        if x.copy and not x.copy.is_doubted and now - x.copy.since > self.s.lost_after_ns:
            x.copy.end, x.copy = now, None
        if x.copy and (is_told or is_gone):
            if is_told:
                self.hear_witness(x.copy.part, 2, now)
                if part != x.copy.part:
                    self.hear_witness(part, 2, now)
            x.copy.end = now
            self.judge_until(now, x.copy.place)
            x.copy = None
        if (is_gone or kind == K.MOVED_OUT) and x.orphan:
            x.orphan.end = now
            if x.orphan.is_counted:
                self.take_back(x.orphan)
            self.judge_until(now, x.orphan.place)
            x.orphan = None
        elif kind in (K.CORRECTED, K.CONFLICT):
            x.usd = worth(int(p[po.QTY]), self.price(p))
            if x.copy:
                x.copy.usd = x.usd
            if x.orphan:
                is_counted = x.orphan.is_counted
                if is_counted:
                    self.take_back(x.orphan)
                x.orphan.usd = x.usd
                if is_counted:
                    self.count(x.orphan)
                    self.judge_until(now, x.orphan.place)

    def take_back(self, w: Wait) -> None:
        orphans, w.is_counted = self.orphans[w.place], False
        if orphans.day == w.day:
            orphans.fills -= 1
            orphans.usd -= w.usd
            orphans.warm_usd -= 0 if w.is_cold else w.usd

    def count(self, w: Wait) -> None:
        orphans, w.is_counted = self.orphans[w.place], True
        if orphans.day == w.day:
            orphans.fills += 1
            orphans.usd += w.usd
            orphans.warm_usd += 0 if w.is_cold else w.usd

    # -- parents ------------------------------------------------------------------------------

    def of_parent(self, p: Any, now: int, code: int, strategy: Place) -> None:
        kind, bits, part = int(p[po.KIND]), int(p[po.BITS]), int(p[po.PART])
        is_word = K.PARENT_OPENED <= kind <= K.PARENT_DONE
        m = self.parents.get(code)
        if m is None or (m.is_opened and (kind == K.PARENT_OPENED or bits & Note.PARENT_UNKNOWN)):
            if m and m.gap:
                m.gap.end = now
            m = self.parents[code] = Parent(self.view.ledger.parent_text(code))
        before, was_open = m.unbooked_usd, m.gap is not None
        if is_word:
            m.is_heard, m.part = True, part
            m.is_opened |= kind == K.PARENT_OPENED
            if kind != K.PARENT_BOOKED:
                return
            self.hear_witness(part, 1, now)
            m.booked += int(p[po.QTY])
        elif bits & (Note.OFF_PARENT | Note.PACKAGE):
            return
        else:
            m.filled += int(p[po.FILL])
            if kind in (K.EXECUTED, K.MOVED_IN):
                m.px, m.place = self.price(p), strategy
        if m.gap and (m.filled <= m.booked or m.booked >= m.level):
            m.gap.end, m.gap.usd = now, before
            m.gap = None
            self.judge_until(now)
        elif m.gap:
            m.level = min(m.level, m.filled)
            self.judge_until(now)
        if m.filled <= m.booked:
            m.marks.clear()
        if was_open and p[po.FILL] > 0 and not self.is_doubted:
            if not m.marks or (len(m.marks) < 8 and now - m.marks[-1][0] >= 2 * SECOND):
                m.marks.append([now, now, m.filled])
            m.marks[-1][1:] = max(now, m.marks[-1][1]), m.filled
        if m.filled > m.booked and not m.gap:
            m.marks = [mark for mark in m.marks if mark[2] > m.booked]
            is_marked = bool(m.marks)
            _, began, level = m.marks.pop(0) if is_marked else (0, now, m.filled)
            m.level = min(level, m.filled)
            m.gap = self.wait(Wait("gap", began, m.place, part, parent=m))
            m.gap.is_doubted = self.is_doubted and not is_marked
            self.judge_until(now + self.s.unconfirmed_allowance_ns + self.s.unconfirmed_halt_ns)
            if m.is_heard:
                assert m.part is not None
                self.ask(m.part, 1, now)

    def gap(self, w: Wait, at: int, row: int) -> Iterator[Said]:
        s, m = self.s, w.parent
        assert m
        if not w.waits_at(at):
            w.rung = 0
            m.crossing(0, at)
            self.shared(w.place, at)
            return
        age = at - w.since - s.unconfirmed_allowance_ns
        usd = m.unbooked_usd if w.end is None else w.usd
        is_alive = (
            self.witnesses[w.part if m.part is None else m.part, 1].heard >= at - s.unconfirmed_alive_ns
        )
        rung = WARN if age >= s.unconfirmed_warn_ns else 0
        if m.is_heard and age >= s.unconfirmed_high_ns:
            rung = HIGH
        if m.is_heard and age >= s.unconfirmed_halt_ns and usd > s.unconfirmed_halt_usd:
            rung = HALT if is_alive and self.is_sending(w.place, at) else rung
        if rung <= w.rung:
            return
        w.rung = rung
        limits = {WARN: s.unconfirmed_warn_ns, HIGH: s.unconfirmed_high_ns, HALT: s.unconfirmed_halt_ns}
        is_new = m.crossing(rung, at)
        told = (age / SECOND, limits[rung] / SECOND, at, row, usd)
        if shared := self.shared(w.place, at):
            yield self.say("unconfirmed", shared, scope_of(w.place), *told)
        if is_new and self.at_rung(w.place, rung) < s.unconfirmed_widen_count:
            yield self.say("unconfirmed", rung, Scope.of(parent=m.name).text, *told)

    def at_rung(self, place: Place, rung: int) -> int:
        return sum(w.what == "gap" and w.place == place and w.rung >= rung for w in self.waits)

    def shared(self, place: Place, at: int) -> int:
        rungs = [r for r in (WARN, HIGH, HALT) if self.at_rung(place, r) >= self.s.unconfirmed_widen_count]
        return self.crossings["gaps", place](max(rungs, default=0), at)

    # -- witnesses ----------------------------------------------------------------------------

    def ask(self, part: int, which: int, at: int) -> None:
        v = self.witnesses[part, which]
        if self.is_doubted:
            return
        if not v.asked:
            v.asked = at
            self.judge_until(at + self.s.witness_missing_ns)
        elif v.end and not v.next_asked:
            v.next_asked = at

    def hear_witness(self, part: int, which: int, at: int) -> None:
        v = self.witnesses[part, which]
        v.heard = max(v.heard, at)
        if v.end:
            v.next_asked = 0
        elif v.asked and at - v.asked < self.s.witness_missing_ns:
            v.asked = 0
        elif v.asked:
            v.end = at
            self.judge_until(at)

    # -- time ---------------------------------------------------------------------------------

    def pass_time(self, low: int, row: int = -1) -> Iterator[Said]:
        target = low // TICK
        self.ticked = self.ticked or target
        if target > self.ticked and row >= 0:
            self.know_again(low)
        while self.ticked < target:
            if self.until <= self.ticked:
                self.ticked = target
                return
            yield from self.tick((self.ticked + 1) * TICK, row)
            self.ticked += 1

    def know_again(self, low: int) -> None:
        s = self.s
        longest = max(s.ack_warn_ns, s.ack_high_ns, s.orphan_fill_announce_ns)
        longest = max(s.unconfirmed_allowance_ns + s.unconfirmed_halt_ns, longest)
        for w in self.waits:
            if w.is_doubted:
                w.since, w.is_doubted = low, False
                self.judge_until(low + longest, w.place)

    def tick(self, at: int, row: int) -> Iterator[Said]:
        for w in [w for w in self.waits if not (w.is_doubted and w.waits_at(at))]:
            if w.what == "gap":
                yield from self.gap(w, at, row)
            elif w.what == "orphan":
                self.age_orphan(w, at)
        for place, until in self.places.items():
            if until >= at // TICK:
                yield from self.ack_gap(place, at, row)
                yield from self.untold(place, at, row)
                yield from self.orphan_fill(place, at, row)
        for v in (self.witnesses[key] for key in sorted(self.witnesses)):
            if v.asked and v.end and v.end < at:
                v.crossing(0, at)
                v.asked, v.end, v.next_asked = v.next_asked, 0, 0
                if v.asked:
                    self.judge_until(v.asked + self.s.witness_missing_ns)
            elif v.asked and at - v.asked >= self.s.witness_missing_ns and v.crossing(HIGH, at):
                silent = (at - v.asked) / SECOND
                limit = self.s.witness_missing_ns / SECOND
                yield self.say("witness_missing", HIGH, "*", silent, limit, at, row, None)
        self.waits = [w for w in self.waits if w.waits_at(at) or w.what == "orphan"]

    def waiting(self, what: str, place: Place, at: int) -> list[Wait]:
        return [
            w
            for w in self.waits
            if (w.what, w.place, w.is_doubted) == (what, place, False)
            and w.waits_at(at)
            and 0 <= at - w.since <= self.s.lost_after_ns
        ]

    def ack_gap(self, place: Place, at: int, row: int) -> Iterator[Said]:
        s, waits = self.s, self.waiting("ack", place, at)
        recorded = [w for w in waits if at - w.since >= s.ack_warn_ns]
        paging = [w for w in waits if at - w.since >= s.ack_high_ns]
        first, last = first_bucket(at - s.lost_after_ns), (at - self.patience(place)) // TICK - 1
        halting = [w for w in waits if first <= w.since // TICK <= last]
        sent = sum(first <= b <= last for b in self.sent[place])
        rung, measured, limit = 0, len(recorded), s.ack_warn_count
        if len(recorded) >= s.ack_warn_count:
            rung = WARN
        if len(paging) >= s.ack_high_count:
            rung, measured, limit = HIGH, len(paging), s.ack_high_count
        if halting and self.is_sending(place, at):
            share = ceil(sent * s.ack_halt_share)
            if len(halting) >= s.ack_halt_count:
                rung, measured, limit = HALT, len(halting), s.ack_halt_count
            elif sent >= s.ack_halt_sent_count and len(halting) >= share:
                rung, measured, limit = HALT, len(halting), share
        if rung := self.crossings["ack", place](rung, at):
            usd = sum(w.usd for w in recorded) or None
            yield self.say("ack_gap", rung, scope_of(place), measured, limit, at, row, usd)

    def untold(self, place: Place, at: int, row: int) -> Iterator[Said]:
        s, waits = self.s, self.waiting("copy", place, at)
        age = max((at - w.since for w in waits), default=-SECOND * 1000) - s.unconfirmed_allowance_ns
        alive_usd = sum(
            w.usd for w in waits if self.witnesses[w.part, 2].heard >= at - s.unconfirmed_alive_ns
        )
        rung, limit = (WARN if age >= s.unconfirmed_warn_ns else 0), s.unconfirmed_warn_ns
        if age >= s.unconfirmed_high_ns:
            rung, limit = HIGH, s.unconfirmed_high_ns
        is_dear = alive_usd > s.unconfirmed_halt_usd
        if age >= s.unconfirmed_halt_ns and is_dear and self.is_sending(place, at):
            rung, limit = HALT, s.unconfirmed_halt_ns
        if rung := self.crossings["copy", place](rung, at):
            usd = sum(w.usd for w in waits)
            told = (age / SECOND, limit / SECOND, at, row, usd)
            yield self.say("unconfirmed", rung, scope_of(place), *told)

    def age_orphan(self, w: Wait, at: int) -> None:
        if not w.waits_at(at):
            if w.is_counted:
                self.take_back(w)
            self.waits.remove(w)
            return
        if w.is_counted or at - w.since < self.s.orphan_fill_announce_ns:
            return
        if w.day > self.orphans[w.place].day:
            self.orphans[w.place] = Orphans(w.day)
        w.day = self.orphans[w.place].day
        self.count(w)

    def orphan_fill(self, place: Place, at: int, row: int) -> Iterator[Said]:
        s, orphans = self.s, self.orphans[place]
        rung, measured, limit, unit = 0, float(orphans.fills), float(s.orphan_fill_warn_count), ""
        if orphans.fills >= s.orphan_fill_warn_count:
            rung = WARN
        if orphans.fills and orphans.usd >= s.orphan_fill_high_usd:
            rung, measured, limit, unit = HIGH, orphans.usd, s.orphan_fill_high_usd, "USD"
        declared = place != FIRM and any(fnmatchcase(place[1], each) for each in s.orphan_fill_sessions)
        if orphans.fills and orphans.warm_usd >= s.orphan_fill_halt_usd and declared:
            rung, measured, limit, unit = HALT, orphans.usd, s.orphan_fill_halt_usd, "USD"
        if rung := self.crossings["orphan", place](rung, at):
            yield self.say("orphan_fill", rung, scope_of(place), measured, limit, at, row, orphans.usd, unit)

    @staticmethod
    def say(reason: str, rung: int, scope: str, measured: float, limit: float, at: int, row: int, usd: float | None, unit: str = "") -> Said:  # fmt: skip
        return reason, rung, scope, round(measured, 7), round(limit, 7), unit or UNITS[reason], at, row, usd


def scope_of(place: Place) -> str:
    return Scope.of({place[0]: place[1]}).text if place[0] else "*"

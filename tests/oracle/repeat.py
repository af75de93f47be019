"""`detectors.repeat`, slow and obvious: every order of a group is kept, every window is counted again.

Reads the same postings and the same settings; says (reason, severity, scope, measured, limit, unit, at, row, usd).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.posting import Note
from detectors.posting import PostingKind as K

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detectors.contract import Postings, View

SECOND: Final = 10**9
WARN, HIGH, HALT = 1, 2, 3
EQUAL: Final = (po.ACCOUNT, po.SESSION, po.VENUE, po.SYMBOL, po.SIGN)

Said = tuple[str, int, str, float, float, str, int, int, float | None]


@dataclass
class Parent:
    qty: int = 0
    filled: int = 0
    working: int = 0
    is_opened: bool = False
    is_held: bool = False
    done_at: int | None = None


@dataclass
class Order:
    key: tuple[int, ...]
    qty: int
    group: Group
    filled: int = 0
    number: int = 0  # of those of its group that await an answer


@dataclass
class Group:
    """Equal orders that can still matter."""

    newest: int = 0
    tenths: list[int] = field(default_factory=list)
    seconds: list[int] = field(default_factory=list)
    awaiting: int = 0
    answered_to: int = 0
    filled_at: int = 0


def in_window(buckets: list[int], bucket: int) -> int:
    """Of the ten buckets up to the newest; one holds 63 at most, and what comes later than they does not count."""
    buckets.append(bucket)
    newest = max(buckets)
    return sum(min(n, 63) for b, n in Counter(buckets).items() if newest - 10 < b)


class Repeat:
    def __init__(self, settings: Any, view: View) -> None:
        self.s, self.view, self.names = settings, view, view.names
        self.parents: dict[int, Parent] = defaultdict(Parent)
        self.orders: dict[int, Order] = {}
        self.groups: dict[tuple[int, ...], Group] = {}
        self.rungs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        self.filled_in: set[tuple[int, int]] = set()  # (strategy, symbol)
        self.executions: dict[int, int] = defaultdict(int)
        self.warned: set[int] = set()
        self.dates: dict[int, int] = defaultdict(int)

    def hear(self, postings: Postings) -> Iterator[Said]:
        for p in postings.rows:
            row = postings.batch.rows[p[po.ROW]]
            kind, order = int(p[po.KIND]), int(p[po.ORDER])
            if p[po.PARENT] > 0:
                self.of_parent(p)
            if kind == K.ORDER_SENT:
                yield from self.sent(p)
                yield from self.entered(p, row)
            elif order <= 0 or p[po.BITS] & Note.ORDER_UNKNOWN or kind == K.MOVED_OUT:
                continue
            elif p[po.FILL]:
                self.filled(p)
            elif kind in (K.ORDER_ANSWERED, K.ORDER_OUT) and order in self.orders:
                told = self.orders[order]
                told.group.answered_to = max(told.number, told.group.answered_to)
                told.number = 0
            elif kind == K.ORDER_CHANGED and p[po.BITS] & Note.REPLACED and order in self.orders:
                told = self.orders[order]
                told.key, told.qty = self.key(p), int(p[po.QTY])

    # -- parents ------------------------------------------------------------------------------

    def of_parent(self, p: Any) -> None:
        kind, number = int(p[po.KIND]), int(p[po.PARENT])
        is_another = kind == K.PARENT_OPENED or p[po.BITS] & Note.PARENT_UNKNOWN
        if is_another and self.parents[number].is_opened:
            self.parents[number] = Parent()
        parent = self.parents[number]
        if kind in (K.PARENT_OPENED, K.PARENT_AMENDED):
            parent.qty = max(int(p[po.QTY]), parent.qty)
            if kind == K.PARENT_OPENED:
                parent.is_opened = True
            else:
                parent.done_at = None
        elif kind in (K.PARENT_HELD, K.PARENT_RELEASED):
            parent.is_held = kind == K.PARENT_HELD
        elif kind == K.PARENT_DONE:
            parent.done_at = int(p[po.AT])
        elif kind != K.PARENT_BOOKED and not p[po.BITS] & (Note.OFF_PARENT | Note.PACKAGE):
            parent.filled += int(p[po.FILL])
            parent.working += int(p[po.WORK])
            if p[po.FILL] < 0 and kind in (K.BUSTED, K.CORRECTED):
                parent.done_at = None

    def is_covered(self, p: Any) -> bool:
        if p[po.PARENT] <= 0 or p[po.BITS] & (Note.PARENT_UNKNOWN | Note.OFF_PARENT):
            return False
        parent = self.parents[int(p[po.PARENT])]
        is_late = parent.done_at is not None and p[po.AT] > parent.done_at + self.s.done_grace_ns
        is_live = parent.is_opened and not parent.is_held and not is_late
        return is_live and parent.filled + max(parent.working, 0) <= parent.qty

    # -- equal orders -------------------------------------------------------------------------

    @staticmethod
    def key(p: Any) -> tuple[int, ...]:
        return (*(int(p[column]) for column in EQUAL), int(p[po.QTY]), int(p[po.PX]))

    def group(self, key: tuple[int, ...], low: int) -> Group:
        group = self.groups.setdefault(key, Group())
        kept = max(self.s.resent_after_ns, 10 * SECOND)
        if group.awaiting > group.answered_to:
            kept = max(self.s.duplicate_unanswered_ns, kept)
        if low - group.newest > kept:
            group = self.groups[key] = Group()
        return group

    def sent(self, p: Any) -> Iterator[Said]:
        s, at = self.s, int(p[po.AT])
        group = self.group(self.key(p), int(p[po.LOW]))
        group.newest = max(at, group.newest)
        order = Order(self.key(p), int(p[po.QTY]), group)
        if p[po.ORDER] > 0:
            self.orders[int(p[po.ORDER])] = order
        if self.is_covered(p):
            return
        by_hand = bool(p[po.BITS] & Note.MANUAL)
        equal, unanswered = in_window(group.tenths, at // (SECOND // 10)), 0
        answers = "order_ack" in self.view.witnesses
        if answers and p[po.ORDER] > 0 and not by_hand and not p[po.BITS] & Note.PARENT_UNKNOWN:
            group.awaiting += 1
            order.number = group.awaiting
            unanswered = group.awaiting - group.answered_to
        is_resent = not by_hand and group.filled_at and 0 < at - group.filled_at <= s.resent_after_ns
        rung, measured, limit = self.stands(equal, "duplicate")
        if rung < HALT and unanswered >= s.duplicate_unanswered_count:
            rung, measured, limit = HALT, unanswered, s.duplicate_unanswered_count
        if equal > 1 or unanswered > 1 or is_resent:
            yield from self.say("duplicate", rung, measured, limit, p)
        if is_resent:
            resent = in_window(group.seconds, at // SECOND)
            yield from self.say("resent_filled", *self.stands(resent, "resent"), p)

    def stands(self, count: int, what: str) -> tuple[int, int, int]:
        """(rung, measured, limit) of a count."""
        for rung, word in ((HALT, "halt"), (HIGH, "high"), (WARN, "warn")):
            limit = getattr(self.s, f"{what}_{word}_count")
            if count >= limit:
                return rung, count, limit
        return 0, count, 0

    def filled(self, p: Any) -> None:
        order = self.orders.get(int(p[po.ORDER]))
        if order:
            before = order.filled
            order.filled += int(p[po.FILL])
            if before < order.qty <= order.filled:
                group = self.group(order.key, int(p[po.LOW]))
                group.filled_at = max(int(p[po.AT]), group.filled_at)
                group.newest = max(int(p[po.AT]), group.newest)
        if p[po.FILL] > 0:
            self.filled_in.add((int(p[po.STRATEGY]), int(p[po.SYMBOL])))

    def say(self, reason: str, rung: int, measured: int, limit: int, p: Any) -> Iterator[Said]:
        at, scope = int(p[po.AT]), self.place(p)
        held = self.rungs[reason, scope]
        is_held = any(each >= rung and at < until + SECOND for each, until in held)
        held.append((rung, at + (SECOND if reason == "duplicate" else 10 * SECOND)))
        if rung and not is_held:
            usd = (
                None
                if p[po.PX] == ev.NONE
                else round(abs(int(p[po.QTY]) * int(p[po.PX])) / 1e12) * measured / 1e4
            )
            yield reason, rung, scope, measured, limit, "orders", at, int(p[po.ROW]), usd

    def place(self, p: Any) -> str:
        for column, kind, word in ((po.SESSION, nm.SESSION, "session"), (po.HOST, nm.HOST, "host"), (po.ACCOUNT, nm.ACCOUNT, "account")):  # fmt: skip
            if p[column] > nm.OTHER:
                return f"{word}={self.names.text(kind, int(p[column]))}"
        return "*"

    # -- executions ---------------------------------------------------------------------------

    def limit(self, strategy: int) -> int | None:
        """The row that names it, else the one for each."""
        name = self.names.text(nm.STRATEGY, strategy)
        rows = {row["scope"]: round(row["executions"]) for row in self.s.limit}
        return rows.get(f"strategy={name}", rows.get("strategy=*"))

    def entered(self, p: Any, row: Any) -> Iterator[Said]:
        strategy = int(p[po.STRATEGY])
        limit = self.limit(strategy) if strategy else None
        if limit is None:
            return
        by_hand = bool(p[po.BITS] & Note.MANUAL)
        if row[ev.TRADE_DATE] > self.dates[strategy] or by_hand:
            self.dates[strategy] = max(int(row[ev.TRADE_DATE]), self.dates[strategy])
            self.begin(strategy)
        if not by_hand and self.is_covered(p):
            return
        cell = (strategy, int(p[po.SYMBOL]))
        is_after_fill = cell in self.filled_in
        self.filled_in.discard(cell)
        if by_hand or not is_after_fill:
            return
        self.executions[strategy] += 1
        count, warn = self.executions[strategy], limit * self.s.executions_warn_share
        scope = f"strategy={self.names.text(nm.STRATEGY, strategy)}"
        told = ("executions", int(p[po.AT]), int(p[po.ROW]), None)
        if count >= limit:
            self.begin(strategy)
            yield "repeated_execution", HALT, scope, count, limit, *told
        elif count >= ceil(warn) and strategy not in self.warned:
            self.warned.add(strategy)
            yield "repeated_execution", WARN, scope, count, warn, *told

    def begin(self, strategy: int) -> None:
        self.executions[strategy] = 0
        self.warned.discard(strategy)

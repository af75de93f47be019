"""`detectors.leak`, slow and obvious: scopes are compared in words, every order is kept, nothing is skipped.

Reads the same postings and the same settings, follows orders from the beginning on, and is told of each halt
as the tests make it; says (severity, scope, measured, at, row).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from detectors import event as ev
from detectors import posting as po
from detectors.contract import Level
from detectors.event import Kind, ReasonClass
from detectors.names import SYMBOL, VENUE, id_hash
from detectors.posting import Note
from detectors.posting import PostingKind as K
from detectors.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from detectors.contract import Postings, View

SECOND: Final = 10**9
HIGH, HALT = 2, 3
SIDES: Final = (None, "buy", "sell", "sell_short", "sell_short_exempt")
Said = tuple[int, str, int, int, int]


@dataclass
class Halt:
    scope: Scope
    level: Level
    since: Mapping[str, int]  # by gateway
    cap: float = 0
    until: int = 0
    survivors: frozenset[tuple[int, int]] = frozenset()
    count: int = 0
    held: dict[int, int] = field(default_factory=dict)  # rung -> until when
    seconds: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    watched: list[Order] = field(default_factory=list)
    due: int = 0

    @property
    def obeyed_by_all_at(self) -> int | None:
        only = dict(self.scope.conditions).get("gateway")
        return self.since.get(only) if only else max(self.since.values(), default=None)


@dataclass(eq=False)
class Order:
    sent: int
    qty: int
    px: int
    words: dict[str, str | None]
    pair: int
    is_buy: bool
    is_booked: bool
    work: int = 0
    ids: set[tuple[int, int]] = field(default_factory=set)
    asked: tuple[int, int] = (0, 0)
    has_leaked: bool = False
    has_counted: bool = False


class Leak:
    def __init__(self, settings: Any, view: View) -> None:
        self.s, self.view = settings, view
        self.orders: dict[int, Order] = {}
        self.position: dict[int, int] = defaultdict(int)
        self.work: dict[tuple[int, bool], int] = defaultdict(int)
        self.bounds: dict[str, int] = {}
        self.halts: list[Halt] = []
        self.gateways: set[str] = set()  # whoever has said that it obeys

    def halt(
        self, scope: Mapping[str, str], level: str, at: int, by: Sequence[str], survivors: Sequence[str] = (), **more: Any
    ) -> None:  # fmt: skip
        if not self.halts:  # what was asked before any halt is not remembered
            for order in self.orders.values():
                order.asked = (0, 0)
        listed = frozenset(id_hash(one) for one in survivors)
        one = Halt(Scope.of(scope), Level[level.upper()], dict.fromkeys(by, at), survivors=listed, **more)
        self.halts.append(one)
        self.gateways |= {*by}
        if one.level >= Level.HALT_CANCEL and one.obeyed_by_all_at is not None:
            due = at + self.view.clock_bound_ns + self.s.cancelled_within_ns
            one.due = max(due, self.view.ledger.low_ns + 1)
            for order in self.orders.values():
                self.watch(one, order)
        self.exempt()

    def watch(self, halt: Halt, order: Order) -> None:
        """What was sent before and works must be cancelled; one halt looks after each order."""
        is_watched = any(order in other.watched for other in self.halts)
        sent_before = order.sent <= (halt.obeyed_by_all_at or 0) + self.bound(order)
        if order.work > 0 and not is_watched and sent_before and self.is_inside(halt, order):
            halt.watched.append(order)
            self.exempt()

    def exempt(self) -> None:
        """Whoever survives one halt survives them all."""
        survivors = {one for halt in self.halts for one in halt.survivors}
        for halt in self.halts:
            halt.watched = [order for order in halt.watched if not order.ids & survivors]

    # -- the stream ---------------------------------------------------------------------------

    def hear(self, postings: Postings) -> Iterator[Said]:
        for p in postings.rows:
            row, kind = postings.batch.rows[p[po.ROW]], int(p[po.KIND])
            yield from self.pass_time(int(p[po.LOW]), int(p[po.ROW]))
            if row[ev.KIND] == Kind.HEARTBEAT and kind == K.EVENT and row[ev.CLOCK_BOUND] != ev.NONE:
                self.bounds[self.view.names.text(0, int(row[ev.HOST]))] = int(row[ev.CLOCK_BOUND])
            code = int(p[po.ORDER])
            if kind == K.ORDER_SENT and code > 0:
                self.orders[code] = self.begun(p, row, postings.batch.text)
            self.position[int(p[po.PAIR])] += int(p[po.POS]) + int(p[po.BASE])
            order = self.orders.get(code)
            if order is None or order.sent != p[po.SENT_AT]:
                continue
            order.work += int(p[po.WORK])
            self.work[order.pair, order.is_buy] += int(p[po.WORK])
            yield from self.follow(p, row, kind, order)

    def follow(self, p: Any, row: Any, kind: int, order: Order) -> Iterator[Said]:
        told = row[ev.KIND]
        if kind == K.ORDER_SENT:
            for halt in self.halts:
                if halt.due:
                    self.watch(halt, order)
        elif kind == K.MOVED_IN:
            yield from self.accepted(p, order)
        elif kind == K.ORDER_ANSWERED:
            by_risk = told == Kind.ORDER_CANCEL and row[ev.REASON_CLASS] == ReasonClass.RISK
            works = told != Kind.ORDER_NEW or order.work > 0
            if works and told != Kind.ORDER_REJECT and not by_risk:
                yield from self.accepted(p, order)
        elif kind == K.REQUESTED and told == Kind.REPLACE_REQUEST:
            order.asked = (int(p[po.AT]), int(row[ev.ORDER_LO]))
            order.ids.add((int(row[ev.ORDER_HI]), int(row[ev.ORDER_LO])))
        elif kind == K.ORDER_CHANGED:
            if p[po.BITS] & Note.REPLACED:
                yield from self.replaced(p, row, order)
                order.px = int(p[po.PX])
            order.qty = int(p[po.QTY])

    def begun(self, p: Any, row: Any, text: Any) -> Order:
        names = self.view.names
        words: dict[str, str | None] = dict(self.view.ledger.attributes(int(p[po.WHO])))
        words["venue"] = names.text(VENUE, int(p[po.VENUE])) or None
        words["symbol"] = names.text(SYMBOL, int(p[po.SYMBOL])) or None
        words["side"] = SIDES[int(row[ev.SIDE])]
        start, length = int(row[ev.PARENT_AT]) >> 8, int(row[ev.PARENT_AT]) & 255
        words["parent"] = bytes(text[start : start + length]).decode() or None
        is_booked = not p[po.BITS] & (Note.CONDITIONAL | Note.PACKAGE)
        own = {(int(row[ev.ORDER_HI]), int(row[ev.ORDER_LO]))}
        return Order(
            int(p[po.SENT_AT]), int(p[po.QTY]), int(p[po.PX]), words, int(p[po.PAIR]),
            words["side"] == "buy", bool(is_booked), ids=own,
        )  # fmt: skip

    def pass_time(self, now: int, row: int = -1) -> Iterator[Said]:
        for halt in self.halts:
            if halt.due and halt.due <= now:
                still = [order for order in halt.watched if order.work > 0]
                due, halt.due, halt.watched = halt.due, 0, []
                if still:
                    yield from self.said(halt, len(still), due, row)

    # -- rules --------------------------------------------------------------------------------

    def accepted(self, p: Any, order: Order) -> Iterator[Said]:
        if order.has_leaked:
            return
        for halt in self.halts:
            level = self.level_over(halt, order, order.sent)
            if level >= Level.HALT_NEW or (level == Level.REDUCE_ONLY and self.raises(order, order.qty)):
                order.has_leaked = True
                yield from self.said(halt, 1, int(p[po.AT]), int(p[po.ROW]))
            elif level == Level.THROTTLE and not order.has_counted and self.is_over(halt, order.sent):
                yield from self.said(halt, 1, int(p[po.AT]), int(p[po.ROW]))
        order.has_counted = True

    def replaced(self, p: Any, row: Any, order: Order) -> Iterator[Said]:
        at, request = order.asked
        asked = at if at and request == row[ev.ORDER_LO] else int(p[po.AT]) - self.s.in_flight_ns
        worse = order.px != ev.NONE and (p[po.PX] > order.px if order.is_buy else p[po.PX] < order.px)
        for halt in self.halts:
            level = self.level_over(halt, order, asked)
            if (
                (level >= Level.HALT_NEW and (p[po.QTY] > order.qty or worse))
                or (level == Level.REDUCE_ONLY and p[po.WORK] > 0 and self.raises(order, int(p[po.WORK])))
                or (level == Level.THROTTLE and self.is_over(halt, asked))
            ):
                yield from self.said(halt, 1, int(p[po.AT]), int(p[po.ROW]))

    def level_over(self, halt: Halt, order: Order, at: int) -> int:
        gateway = self.gateway_of(order)
        since = halt.since.get(gateway) if gateway else halt.obeyed_by_all_at
        if since is None or at <= since + self.bound(order) or (halt.until and at > halt.until):
            return 0
        return int(halt.level) if self.is_inside(halt, order) else 0

    def bound(self, order: Order) -> int:
        return self.bounds.get(order.words.get("host") or "", self.view.clock_bound_ns)

    def is_inside(self, halt: Halt, order: Order) -> bool:
        return halt.scope.holds_for(order.words | {"gateway": self.gateway_of(order)})

    def gateway_of(self, order: Order) -> str | None:
        host = order.words.get("host")
        return order.words.get("gateway") or (host if host in self.gateways else None)

    def raises(self, order: Order, more: int) -> bool:
        sign = 1 if order.is_buy else -1
        after = self.position[order.pair] + sign * self.work[order.pair, order.is_buy]
        return order.is_booked and abs(after) > abs(after - sign * more)

    def is_over(self, halt: Halt, at: int) -> bool:
        second = at // SECOND
        halt.seconds[second] += 1
        over = {s for s, count in halt.seconds.items() if count > halt.cap * max(len(halt.since), 1)}
        first, last = second, second
        while first - 1 in over:
            first -= 1
        while last + 1 in over:
            last += 1
        return second in over and last - first + 1 >= self.s.throttle_running_count

    def said(self, halt: Halt, count: int, at: int, row: int) -> Iterator[Said]:
        halt.count += count
        rung = HALT if halt.count >= self.s.halt_count else HIGH if halt.count >= self.s.high_count else 0
        is_held = any(at < until + SECOND for held, until in halt.held.items() if held >= rung)
        for held in (HIGH, HALT):
            if held <= rung:
                halt.held[held] = max(at, halt.held.get(held, at))
        if rung and not is_held:
            yield rung, halt.scope.text, halt.count, at, row

"""The ledger, slow and obvious: what one event did, told in postings.

One method a kind of event, in the order of the contract; whatever is found by walking a list is
found by walking a list.  The compiled ledger must say the same, posting by posting.

>>> ledger = Ledger()
>>> sent = {"kind": "order_new", "ts": 1, "order_id": "O", "account": "A", "symbol": "X", "side": "buy", "qty": 3}
>>> fill = {"kind": "fill", "ts": 2, "order_id": "O", "exec_id": "E", "last_qty": 1, "last_px": 5}
>>> for told in (fill, sent, fill):
...     for p in ledger.post(told):
...         print(p.kind.name, p.account, p.fill, p.work, p.pos)
ORDER_ANSWERED ? 0 0 0
EXECUTED ? 100000000 0 100000000
ORDER_SENT A 0 200000000 0
MOVED_OUT ? -100000000 0 -100000000
MOVED_IN A 100000000 0 100000000
DUPLICATE A 0 0 0
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from detectors.posting import Note
from detectors.posting import PostingKind as K
from tests.oracle.books import UNKNOWN_ACCOUNT, Counter, Execution, Order, Pair, Parent, Posting
from tests.oracle.clock import Clocks, Times
from tests.oracle.event import WHO, Event

SEQ_REMEMBERED: Final = 64
BOOKINGS_REMEMBERED: Final = 8


class Ledger:
    """Tell it events in order with `post`; it forgets nothing."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.builds: dict[str, str] = {}  # host -> build, by its heartbeats
        self.streams: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        self.orders: list[Order] = []
        self.order_ids: dict[str, list[Order]] = defaultdict(list)
        self.executions: list[Execution] = []
        self.early: list[Event] = []  # busts and corrections whose execution has not come yet
        self.parents: dict[str, list[Parent]] = defaultdict(list)
        self.pairs: dict[tuple[str, str], Pair] = defaultdict(Pair)
        self.next_order, self.next_parent, self.next_execution = Counter(), Counter(), Counter()

    def post(
        self, raw: Mapping[str, Any], part: int = 0, offset: int = 0, arrival: int = 0, row: int = 0
    ) -> list[Posting]:
        told = Event({field: value for field, value in raw.items() if value is not None})
        times = self.clocks.hear(told, part, arrival)
        if told.text("host") and told.text("build"):
            self.builds[told.text("host")] = told.text("build")
        entry = Entry(self, told, times, part, offset, row)
        if self._told_before(told):
            entry.say(K.DUPLICATE)
        else:
            tell: Callable[[], None] = getattr(entry, told["kind"], entry.other)
            tell()
        return entry.postings

    def _told_before(self, told: Event) -> bool:
        if told["seq"] is None:
            return False
        this = (int(told["seq"]), told["kind"], told.ts)
        last = self.streams[told.stream][-SEQ_REMEMBERED:]
        self.streams[told.stream].append(this)
        return this in last


class Entry:
    """What one event does to the books."""

    def __init__(self, books: Ledger, told: Event, times: Times, part: int, offset: int, row: int) -> None:
        self.books = books
        self.told = told
        self.times = times
        self.place = (part, offset, row)
        self.postings: list[Posting] = []

    # -- what is said -------------------------------------------------------------------------

    def say(self, kind: K, order: Order | None = None, parent: Parent | None = None, **more: Any) -> None:
        """One posting: attributed to the order, else to the parent, else to whoever told it."""
        part, offset, row = self.place
        said = Posting(kind, row, *self.times, part=part, offset=offset)
        owner = order or parent
        who = owner.who if owner else self.who(self.told.text("account"))
        said.symbol = owner.symbol if owner else self.told.text("symbol")
        said.sign = owner.sign if owner else self.told.sign
        said.venue = order.venue if order else self.told.text("venue")
        if order:
            said.order, said.sent_at = order.code, order.sent_at
            parent = order.parent
        if "execution" in more:
            x: Execution = more.pop("execution")
            who, said.symbol, said.venue, said.sign = x.who, x.symbol, x.venue, x.sign
            said.exec, parent = x.code, x.parent
        said.parent = parent.code if parent else -1
        said.who = tuple(who[kind] for kind in WHO)
        said.account, said.strategy = who["account"], who["strategy"]
        said.host, said.session = who["host"], who["session"]
        said.pair = (said.account, said.symbol)
        said.bits = self.notes(order, parent)
        for column, value in more.items():
            setattr(said, column, getattr(said, column) | value if column == "bits" else value)
        if said.bits & (Note.CONDITIONAL | Note.PACKAGE):
            said.work = 0
        self.postings.append(said)

    def notes(self, order: Order | None, parent: Parent | None) -> int:
        bits = Note.DROP_COPY if self.told.source == "drop_copy" else 0
        if parent and not parent.is_announced:
            bits |= Note.PARENT_UNKNOWN
        if order:
            bits |= Note.CONDITIONAL if order.is_conditional else 0
            bits |= Note.PACKAGE if order.is_package else 0
            bits |= Note.ORDER_UNKNOWN if not order.is_announced else 0
            bits |= Note.MANUAL if order.is_manual else 0
            bits |= Note.AUCTION if order.tif in ("opg", "cls") else 0
            if parent and parent.is_announced and order.is_announced:
                off = order.symbol != parent.symbol or order.sign != parent.sign
                bits |= Note.OFF_PARENT if off else 0
        return bits

    def who(self, account: str) -> dict[str, str]:
        build = self.told.text("build") or self.books.builds.get(self.told.text("host"), "")
        return {**self.told.who, "account": account, "build": build}

    # -- finding ------------------------------------------------------------------------------

    def find_order(self, order_id: str) -> Order | None:
        session = self.told.text("session")
        for order in reversed(self.books.order_ids[order_id]):
            if not session or not order.session or order.session == session:
                return order
        return None

    def name_order(self, order: Order, order_id: str) -> None:
        same_id = self.books.order_ids[order_id]
        if order not in same_id:
            same_id.append(order)

    def new_order(self, order_id: str) -> Order:
        told = self.told
        order = Order(
            code=self.books.next_order(),
            trade_date=told.trade_date,
            session=told.text("session"),
            who=self.who(told.text("account") or UNKNOWN_ACCOUNT),
            symbol=told.text("symbol"),
            venue=told.text("venue"),
            sign=told.sign,
            is_manual=told["origin"] in ("manual", "external"),
            is_package=told["multileg"] == "package",
        )
        self.books.orders.append(order)
        self.name_order(order, order_id)
        return order

    def order_meant(self, field: str = "order_id") -> Order:
        """The order that this event is about, or a placeholder for one that nobody announced."""
        return self.find_order(self.told[field]) or self.new_order(self.told[field])

    def find_parent(self) -> Parent | None:
        """The parent that this event names: an id comes back on a later day once its parent was done."""
        name = self.told.text("parent_id")
        if not name:
            return None
        latest = self.books.parents[name][-1] if self.books.parents[name] else None
        if latest and latest.is_done and latest.trade_date < self.told.trade_date:
            return None
        return latest

    def parent_meant(self) -> Parent | None:
        told = self.told
        if not told.text("parent_id"):
            return None
        found = self.find_parent()
        if found:
            return found
        parent = Parent(
            code=self.books.next_parent(),
            name=told["parent_id"],
            trade_date=told.trade_date,
            who=self.who(told.text("account")),
            symbol=told.text("symbol"),
            sign=told.sign,
        )
        self.books.parents[parent.name].append(parent)
        return parent

    # -- parents ------------------------------------------------------------------------------

    def parent_new(self) -> None:
        told = self.told
        parent = self.find_parent()
        if parent and parent.is_announced:
            self.say(K.DUPLICATE, parent=parent)
            return
        parent = self.parent_meant()
        assert parent
        parent.is_announced = True
        parent.trade_date = told.trade_date
        parent.who = self.who(told["account"])
        parent.symbol, parent.sign = told["symbol"], told.sign
        parent.qty = told.number("qty") or 0
        self.say(K.PARENT_OPENED, parent=parent, qty=parent.qty, px=told.number("price"))

    def parent_replace(self) -> None:
        parent = self.parent_meant()
        assert parent
        parent.qty = self.told.number("qty") or 0
        parent.is_done = False
        self.say(K.PARENT_AMENDED, parent=parent, qty=parent.qty, px=self.told.number("price"))

    def parent_suspend(self) -> None:
        parent = self.parent_meant()
        assert parent
        parent.is_held = bool(self.told["suspended"])
        self.say(K.PARENT_HELD if parent.is_held else K.PARENT_RELEASED, parent=parent)

    def parent_fill(self) -> None:
        told = self.told
        parent = self.parent_meant()
        assert parent
        total, last = told.number("cum_qty"), told.number("last_qty") or 0
        if total is None:
            booking = (told.ts, last, told.number("last_px"))
            if booking in parent.bookings[-BOOKINGS_REMEMBERED:]:
                self.say(K.DUPLICATE, parent=parent)
                return
            parent.bookings.append(booking)
            total = parent.booked + last
        change, parent.booked = total - parent.booked, total
        self.say(K.PARENT_BOOKED, parent=parent, qty=change, px=told.number("last_px"))

    def parent_done(self) -> None:
        parent = self.parent_meant()
        assert parent
        parent.is_done = True
        self.say(K.PARENT_DONE, parent=parent)

    # -- orders -------------------------------------------------------------------------------

    def order_new(self) -> None:
        told = self.told
        order = self.find_order(told["order_id"])
        if order and order.is_announced:
            is_another_days = order.trade_date < told.trade_date and not order.is_open
            if not is_another_days:
                self.say(K.DUPLICATE, order)
                return
            order = None
        is_late = order is not None
        order = order or self.new_order(told["order_id"])
        order.is_announced = True
        order.session = order.session or told.text("session")
        order.venue = told.text("venue") or order.venue
        order.who = self.who(told["account"])
        order.symbol, order.sign, order.tif = told["symbol"], told.sign, told.text("tif")
        order.qty, order.px = told.number("qty") or 0, told.number("price")
        order.is_conditional = bool(told["conditional"])
        order.is_package = told["multileg"] == "package"
        order.is_manual = told["origin"] in ("manual", "external")
        order.parent = self.parent_meant() or order.parent
        order.sent_at = self.times.at
        order.working = 0 if order.is_killed else max(order.qty - order.consumed, 0)
        order.is_open = order.working > 0
        late = Note.LATE_ORDER if is_late else 0
        self.say(K.ORDER_SENT, order, qty=order.qty, px=order.px, work=order.working, bits=late)
        for x in order.executions:
            if x.is_live:
                self.move(x)

    def answer(self, order: Order) -> None:
        if not order.is_answered:
            order.is_answered = True
            self.say(K.ORDER_ANSWERED, order)

    def may_lower(self, order: Order) -> bool:
        """A router speaks for its own orders only; venues and drop copies speak for all."""
        host = self.told.text("host")
        stranger = host and order.who["host"] and host != order.who["host"]
        return not (self.told.source == "router" and stranger)

    def order_ack(self) -> None:
        order = self.order_meant()
        if order.is_answered:
            self.say(K.EVENT, order)
        else:
            self.answer(order)

    def order_reject(self) -> None:
        self._out(Note.REJECTED)

    def order_cancel(self) -> None:
        reason = self.told.text("reason_class") or "requested"
        self._out(Note.REQUESTED if reason == "requested" else 0)

    def _out(self, bits: int) -> None:
        order = self.order_meant()
        self.answer(order)
        if not self.may_lower(order):
            self.say(K.EVENT, order)
            return
        if order.is_killed:
            self.say(K.DUPLICATE, order)
            return
        self.take_out(order, bits)

    def take_out(self, order: Order, bits: int = 0) -> None:
        work, order.working = -order.working, 0
        order.is_open, order.is_killed = False, True
        self.say(K.ORDER_OUT, order, work=work, bits=bits)

    def replace_request(self) -> None:
        self._request()

    def cancel_request(self) -> None:
        self._request()

    def _request(self) -> None:
        order = self.order_meant("orig_order_id")
        self.name_order(order, self.told["order_id"])
        self.say(K.REQUESTED, order, qty=self.told.number("qty") or 0, px=self.told.number("price"))

    def cancel_reject(self) -> None:
        told = self.told
        order = self.order_meant("orig_order_id" if told.text("orig_order_id") else "order_id")
        self.answer(order)
        self.say(K.REQUEST_REFUSED, order)

    def order_replace(self) -> None:
        told = self.told
        order = self.order_meant("orig_order_id")
        self.answer(order)
        if told["order_id"] in order.replaced_by:
            self.say(K.DUPLICATE, order)
            return
        order.replaced_by.add(told["order_id"])
        self.name_order(order, told["order_id"])
        before = order.working
        order.qty = told.number("qty") or 0
        if told.number("price") is not None:
            order.px = told.number("price")
        if not order.is_killed:
            order.working = max(order.qty - order.consumed, 0)
            if order.working < before and not self.may_lower(order):
                order.working = before
            order.is_open = order.working > 0
        self.say(
            K.ORDER_CHANGED,
            order,
            qty=order.qty,
            px=order.px,
            work=order.working - before,
            bits=Note.REPLACED,
        )

    def order_restate(self) -> None:
        order = self.order_meant()
        self.answer(order)
        leaves = self.told.number("leaves_qty") or 0
        if leaves < order.working and not self.may_lower(order):
            self.say(K.EVENT, order)
            return
        change, order.working = leaves - order.working, leaves
        order.is_open = leaves > 0
        self.say(K.ORDER_CHANGED, order, qty=order.qty, px=order.px, work=change)

    # -- executions ---------------------------------------------------------------------------

    def space(self, order: Order | None) -> str:
        """Where an exec id is unique, "" where nothing says."""
        told = self.told
        if venue := told.text("venue") or (order.venue if order else ""):
            return f"venue {venue}"
        if session := told.text("session") or (order.session if order else ""):
            return f"session {session}"
        return f"order {told['order_id']}" if told.text("order_id") else ""

    @staticmethod
    def is_same_space(x: Execution, space: str, order: Order | None) -> bool:
        """Two venues that were named tell two executions apart; else the same order is proof enough."""
        if x.space == space or not space:
            return True
        return x.order is order and not (x.space.startswith("venue") and space.startswith("venue"))

    def find_execution(self, exec_id: str, order: Order | None) -> Execution | None:
        space = self.space(order)
        same = [
            x for x in self.books.executions if exec_id in x.names and self.is_same_space(x, space, order)
        ]
        today = [x for x in same if x.trade_date == self.told.trade_date]
        for candidates in ([x for x in today if x.is_live], today, [x for x in same if x.is_live], same):
            if candidates:
                return candidates[-1]
        return None

    def book(self, pair: tuple[str, str], at: int, change: int) -> int:
        """Book a change of position; returns the change of BASE: what a stated position held already."""
        known = self.books.pairs[pair]
        known.moves.append((at, change))
        if known.as_of is not None and at <= known.as_of:
            known.base -= change
            return -change
        return 0

    def say_execution(self, kind: K, x: Execution, quantity: int, at: int, **more: Any) -> None:
        booked = quantity if x.is_booked else 0
        base = self.book(x.pair, at, x.sign * booked)
        self.say(kind, x.order, execution=x, fill=booked, pos=x.sign * booked, base=base, **more)

    def attribute(self, x: Execution) -> None:
        """Account, symbol, side and venue: the fill's own word, else its order's."""
        order = x.order
        x.who = {**order.who, "account": x.own["account"] or order.who["account"]}
        x.symbol = x.own["symbol"] or order.symbol
        x.venue = x.own["venue"] or order.venue

    def fill(self) -> None:
        told = self.told
        order = self.order_meant()
        qty, px = told.number("last_qty") or 0, told.number("last_px") or 0
        x = self.find_execution(told["exec_id"], order)
        if x and x.trade_date == told.trade_date:
            self.again(x, qty, px, order)
            return
        x = Execution(
            code=self.books.next_execution(),
            space=self.space(order),
            trade_date=told.trade_date,
            names=[told["exec_id"]],
            order=order,
            qty=qty,
            px=px,
            at=self.times.at,
            sign=told.sign or order.sign or 1,
            is_booked=told["multileg"] != "package" and not order.is_package,
            symbol="",
            venue="",
            own={field: told.text(field) for field in ("account", "symbol", "venue", "side")},
            parent=self.parent_meant() or order.parent,
            told=[(qty, px, order)],
        )
        self.attribute(x)
        self.books.executions.append(x)
        order.executions.append(x)
        self.answer(order)
        self.meet_early(x)
        taken = min(qty, order.working) if self.may_lower(order) else 0
        order.working -= taken
        order.consumed += qty
        order.is_open = order.working > 0
        if x.is_live:
            self.say_execution(K.EXECUTED, x, x.qty, x.at, qty=x.qty, px=x.px, work=-taken)
        else:
            self.say(K.DUPLICATE, order, execution=x, work=-taken)

    def again(self, x: Execution, qty: int, px: int, order: Order) -> None:
        if (qty, px, order) in x.told or not x.is_live:
            self.say(K.DUPLICATE, x.order, execution=x)
            return
        x.told.append((qty, px, order))
        change = 0
        if qty * abs(px) > x.qty * abs(x.px):
            change, x.qty, x.px = qty - x.qty, qty, px
        self.say_execution(K.CONFLICT, x, change, self.times.at, qty=qty, px=px)

    def meet_early(self, x: Execution) -> None:
        """Busts and corrections that came before their fill; a bust may name a correction's exec id."""
        while told := next((e for e in self.books.early if self.concerns(e, x)), None):
            self.books.early.remove(told)
            if told["kind"] == "fill_bust":
                x.is_live = False
            else:
                self.take_over(x, told)

    def concerns(self, told: Event, x: Execution) -> bool:
        if told["exec_ref_id"] not in x.names:
            return False
        entry = Entry(self.books, told, self.times, *self.place)
        order = entry.find_order(told["order_id"]) if told.text("order_id") else None
        return self.is_same_space(x, entry.space(order), order)

    @staticmethod
    def take_over(x: Execution, told: Event) -> None:
        """The numbers of a correction; its own exec id is one more name of the execution."""
        x.qty, x.px = told.number("last_qty") or 0, told.number("last_px") or 0
        x.told.append((x.qty, x.px, x.order))
        if told.text("exec_id"):
            x.names.append(told["exec_id"])

    def execution_meant(self) -> Execution | None:
        told = self.told
        order = self.find_order(told["order_id"]) if told.text("order_id") else None
        x = self.find_execution(told["exec_ref_id"], order)
        if not x:
            if told not in self.books.early:
                self.books.early.append(told)
            self.say(K.EVENT, order)
        return x

    def fill_bust(self) -> None:
        x = self.execution_meant()
        if not x:
            return
        if not x.is_live:
            self.say(K.DUPLICATE, x.order, execution=x)
            return
        x.is_live = False
        self.say_execution(K.BUSTED, x, -x.qty, self.times.at, qty=x.qty, px=x.px)

    def fill_correct(self) -> None:
        told = self.told
        x = self.execution_meant()
        if not x:
            return
        numbers = (told.number("last_qty"), told.number("last_px"))
        if not x.is_live or told.text("exec_id") in x.names or numbers == (x.qty, x.px):
            self.say(K.DUPLICATE, x.order, execution=x)
            return
        before = x.qty
        self.take_over(x, told)
        self.say_execution(K.CORRECTED, x, x.qty - before, self.times.at, qty=x.qty, px=x.px)

    def move(self, x: Execution) -> None:
        """An execution leaves what was known of it and arrives where its late order says."""
        self.say_execution(K.MOVED_OUT, x, -x.qty, x.at, qty=x.qty, px=x.px)
        if not x.own["side"]:
            x.sign = x.order.sign or 1
        x.is_booked = x.is_booked and not x.order.is_package
        x.parent = x.order.parent or x.parent
        self.attribute(x)
        self.say_execution(K.MOVED_IN, x, x.qty, x.at, qty=x.qty, px=x.px)

    # -- the rest -----------------------------------------------------------------------------

    def position(self) -> None:
        told = self.told
        pair = self.books.pairs[told["account"], told["symbol"]]
        as_of, qty = int(told["as_of"]), told.number("qty") or 0
        change = 0
        if pair.as_of is None or as_of >= pair.as_of:
            change = qty - pair.known_at(as_of)
            pair.base += change
            pair.as_of = as_of
        self.say(K.POSITION_SET, qty=qty, px=told.number("price"), base=change)

    def session_phase(self) -> None:
        told = self.told
        self.say(K.EVENT)
        if told["phase"] != "closed":
            return
        for order in self.books.orders:
            if order.is_announced and order.is_open and order.tif == "day" and order.venue == told["venue"]:
                self.take_out(order)

    def instrument(self) -> None:
        self.say(K.INSTRUMENT)

    def mark(self) -> None:
        self.say(K.MARKED, px=self.told.number("price"))

    def fx(self) -> None:
        self.say(K.RATED, px=self.told.number("usd"), venue=self.told["currency"])

    def other(self) -> None:
        self.say(K.EVENT)

"""The ledger, slow and obvious: what one event did, told in postings.

One method a kind of event; whatever is found by walking a list is found by walking a list, and
nothing is ever forgotten.  The compiled ledger must say the same, posting by posting.

>>> ledger = Ledger()
>>> sent = {"kind": "order_new", "ts": 1, "order_id": "O", "account": "A", "symbol": "X", "side": "buy", "qty": 3}
>>> fill = {"kind": "fill", "ts": 2, "order_id": "O", "exec_id": "E", "last_qty": 1, "last_px": 5}
>>> for told in (fill, sent, fill):
...     for p in ledger.post(told):
...         print(p.kind.name, p.account, p.fill, p.work, p.pos)
EXECUTED ? 100000000 0 100000000
ORDER_SENT A 0 200000000 0
ORDER_ANSWERED A 0 0 0
MOVED_OUT ? -100000000 0 -100000000
MOVED_IN A 100000000 0 100000000
DUPLICATE A 0 0 0
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from detectors.posting import Note
from detectors.posting import PostingKind as K
from tests.oracle.books import UNKNOWN_ACCOUNT, Counter, Execution, Order, Pair, Parent, Posting
from tests.oracle.clock import Clocks, Times
from tests.oracle.event import WHO, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEQ_REMEMBERED: Final = 64
BOOKINGS_REMEMBERED: Final = 8
OVER: Final = 300 * 1_000_000_000  # what is over for so long, and since another day, is not meant any more
Columns = dict[str, Any]


class Ledger:
    """Tell it events in order with `post`."""

    def __init__(self, *, cold: bool = False) -> None:
        self.is_cold = cold
        self.newest_date = ""
        self.clocks = Clocks()
        self.builds: dict[str, str] = {}  # host -> build, by its heartbeats
        self.streams: dict[tuple[str, ...], dict[int, tuple[Any, ...]]] = defaultdict(dict)
        self.orders: list[Order] = []
        self.order_ids: dict[str, list[Order]] = defaultdict(list)  # the one named last stands last
        self.executions: list[Execution] = []
        self.parents: dict[str, Parent] = {}
        self.pairs: dict[tuple[str, str], Pair] = defaultdict(Pair)
        self.next_code = Counter()

    def post(
        self, raw: Mapping[str, Any], part: int = 0, offset: int = 0, arrival: int = 0, row: int = 0
    ) -> list[Posting]:
        told = Event({field: value for field, value in raw.items() if value is not None})
        times = self.clocks.hear(told, part, arrival)
        if self.newest_date and told.trade_date > self.newest_date:
            self.is_cold = False  # a session has begun before our eyes
        self.newest_date = max(self.newest_date, told.trade_date)
        entry = Entry(self, told, times, part, offset, row)
        if self._told_before(told):
            entry.say(K.DUPLICATE, entry.of_event())
        else:
            tell: Callable[[], None] = getattr(entry, told["kind"], entry.other)
            tell()
            for x in entry.joined:
                entry.move(x)
        return entry.postings

    def _told_before(self, told: Event) -> bool:
        """Whether a numbered stream says this number again with the same kind and time."""
        if told["seq"] is None:
            return False
        cell = int(told["seq"]) % SEQ_REMEMBERED
        this = (int(told["seq"]), told["kind"], told.ts)
        before, self.streams[told.stream][cell] = self.streams[told.stream].get(cell), this
        return this == before


class Entry:
    """What one event does to the books."""

    def __init__(self, books: Ledger, told: Event, times: Times, part: int, offset: int, row: int) -> None:
        self.books = books
        self.told = told
        self.times = times
        self.place = (part, offset, row)
        self.postings: list[Posting] = []
        self.working = 0  # of the order that it is about, before it
        self.is_later_told = False
        self.joined: list[Execution] = []  # told of a later id of a known order, before its replace

    # -- what is said, and of whom ------------------------------------------------------------

    def say(self, kind: K, *of: Columns, **columns: Any) -> None:
        """One posting; later columns win, bits add up."""
        part, offset, row = self.place
        said = Posting(kind, row, *self.times, part=part, offset=offset)
        if self.told.source == "drop_copy":
            said.bits |= Note.DROP_COPY
        if self.told["origin"] in ("manual", "external"):
            said.bits |= Note.MANUAL
        for each in (*of, columns):
            for column, value in each.items():
                setattr(said, column, said.bits | value if column == "bits" else value)
        self.postings.append(said)

    def of_event(self) -> Columns:
        told = self.told
        texts = {
            field: told.text(field) for field in ("account", "strategy", "host", "session", "symbol", "venue")
        }
        return {**texts, "sign": told.sign}

    @staticmethod
    def of_who(who: dict[str, str] | None) -> Columns:
        if who is None:
            return {}
        parts = {field: who[field] for field in ("account", "strategy", "host", "session")}
        return {**parts, "who": tuple(who[kind] for kind in WHO)}

    def of_parent(self, parent: Parent | None, symbol: str, sign: int) -> Columns:
        if parent is None:
            return {"parent": -1}
        bits = 0
        if parent.who is None:
            bits = Note.PARENT_UNKNOWN | (Note.BEFORE_START if self.books.is_cold else 0)
        elif (parent.symbol, parent.sign) != (symbol, sign):
            bits = Note.OFF_PARENT
        return {"parent": parent.code, "bits": bits}

    def of_order(self, order: Order) -> Columns:
        """An order's own attribution; for a placeholder, the event's."""
        columns = self.of_parent(order.parent, order.symbol, order.sign)
        bits: int = columns.get("bits", 0)
        bits |= Note.CONDITIONAL if order.is_conditional else 0
        bits |= Note.PACKAGE if order.is_package else 0
        bits |= Note.MANUAL if order.is_manual else 0
        bits |= Note.AUCTION if order.tif in ("opg", "cls") else 0
        if order.who is None:
            bits |= Note.ORDER_UNKNOWN | (Note.BEFORE_START if self.books.is_cold else 0)
            own = self.of_event()
        else:
            own = {"symbol": order.symbol, "venue": order.venue, "sign": order.sign, "pair": order.pair}
        return {
            **columns, **self.of_who(order.who), **own, "bits": bits, "order": order.code, "sent_at": order.sent_at
        }  # fmt: skip

    def of_execution(self, x: Execution) -> Columns:
        """Its own attribution, over that of its order."""
        assert x.order
        order, parent = self.of_order(x.order), self.of_parent(x.parent, x.symbol, x.sign)
        bits = order["bits"] | parent.get("bits", 0) | (Note.PACKAGE if x.state == "unbooked" else 0)
        own = {"symbol": x.symbol, "venue": x.venue, "sign": x.sign, "pair": x.pair, "qty": x.qty, "px": x.px}
        return {**order, **self.of_who(x.who), **parent, **own, "exec": x.code, "bits": bits}

    def who(self, account: str) -> dict[str, str]:
        build = self.told.text("build") or self.books.builds.get(self.told.text("host"), "")
        return {**self.told.who, "account": account, "build": build}

    # -- finding ------------------------------------------------------------------------------

    def is_yesterdays(self, order: Order) -> bool:
        """Whether an order is over, or was only heard of, long ago on an earlier trade date."""
        is_live = order.is_open and order.who is not None
        return not is_live and order.trade_date < self.told.trade_date and order.at + OVER < self.times.at

    def is_over(self, parent: Parent) -> bool:
        return parent.trade_date < self.told.trade_date and parent.at + OVER < self.times.at

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
            self.books.next_code(),
            told.trade_date,
            told.text("session"),
            told.text("venue"),
            at=self.times.at,
        )
        self.books.orders.append(order)
        self.name_order(order, order_id)
        return order

    def order_meant(self) -> Order:
        """The order that this event is about, or a placeholder for one that nobody announced yet."""
        order_id, orig = self.told["order_id"], self.told.text("orig_order_id")
        order = self.find_order(orig or order_id)
        is_ioc = self.told["kind"] == "order_cancel" and self.told["reason_class"] == "ioc"
        may_be_new = is_ioc or self.told["kind"] in ("fill", "order_ack", "order_reject")
        if order is None or (may_be_new and self.is_yesterdays(order)):
            order = self.new_order(orig or order_id)
        self.working = order.working
        told = self.find_order(order_id) if orig else None
        if told and told is not order and told.who is None and told.trade_date == self.told.trade_date:
            self.join(told, order)
        self.name_order(order, order_id)
        return order

    def join(self, told: Order, order: Order) -> None:
        """What was told of a later id, before its replace said whose it is, is the order's own."""
        for same_id in self.books.order_ids.values():
            same_id[:] = [order if each is told else each for each in same_id]
        for x in told.executions:
            x.order = order
        order.executions += told.executions
        order.replaced_by |= told.replaced_by
        if told.consumed:
            self.consume(order, told.consumed)
        if told.qty:
            order.qty, order.px = told.qty, order.px if told.px is None else told.px
            self.rework(order, order.qty - order.consumed)
        if order.who is None:
            order.is_answered |= told.is_answered
        else:
            self.joined = told.executions
            if told.is_answered:
                self.answer(order)
        if told.is_killed:
            order.is_open, order.is_killed, order.working = False, True, 0
        self.is_later_told = bool(told.qty)

    def parent_meant(self) -> Parent | None:
        """The latest parent of the name that this event gives, or a placeholder for it."""
        name, at = self.told.text("parent_id"), self.times.at
        if not name:
            return None
        if name not in self.books.parents:
            self.books.parents[name] = Parent(self.books.next_code(), name, self.told.trade_date, at=at)
        parent = self.books.parents[name]
        parent.at = max(at, parent.at)
        return parent

    def parent_named(self, own: Parent | None = None) -> Parent | None:
        """As `parent_meant`, by a child: what ended on another day it does not mean, unless it is its own."""
        known = self.books.parents.get(self.told.text("parent_id"))
        if known and known.has_ended and known is not own and self.is_over(known):
            del self.books.parents[known.name]
        return self.parent_meant()

    # -- parents ------------------------------------------------------------------------------

    def say_parent(self, kind: K, parent: Parent, **columns: Any) -> None:
        own = {} if parent.who is None else {"symbol": parent.symbol, "sign": parent.sign}
        seen_as = self.of_parent(parent, parent.symbol, parent.sign)
        self.say(kind, self.of_event(), self.of_who(parent.who), own, seen_as, **columns)

    def parent_new(self) -> None:
        told = self.told
        known = self.books.parents.get(told["parent_id"])
        if known and known.who is not None:
            if not known.has_ended or known.trade_date >= told.trade_date:
                self.say(K.DUPLICATE, self.of_event(), parent=known.code)
                return
            del self.books.parents[told["parent_id"]]  # the id came back on another day
        elif known and self.is_over(known):
            del self.books.parents[told["parent_id"]]  # nobody announced that one
        parent = self.parent_meant()
        assert parent
        parent.trade_date, parent.who = told.trade_date, self.who(told["account"])
        parent.symbol, parent.sign = told["symbol"], told.sign
        qty = told.number("qty")
        parent.qty = parent.qty or qty or 0  # unless it was amended before we heard of it
        self.say_parent(K.PARENT_OPENED, parent, qty=qty, px=told.number("price"))

    def parent_replace(self) -> None:
        parent = self.parent_meant()
        assert parent
        qty = self.told.number("qty") or 0
        changed = qty != parent.qty or parent.is_done
        parent.qty, parent.is_done = qty, False
        kind = K.PARENT_AMENDED if changed else K.DUPLICATE
        self.say_parent(kind, parent, qty=qty, px=self.told.number("price"))

    def parent_suspend(self) -> None:
        parent = self.parent_meant()
        assert parent
        before, parent.is_held = parent.is_held, bool(self.told["suspended"])
        changed = K.PARENT_HELD if parent.is_held else K.PARENT_RELEASED
        self.say_parent(changed if parent.is_held != before else K.DUPLICATE, parent)

    def parent_fill(self) -> None:
        told = self.told
        parent = self.parent_meant()
        assert parent
        total, last = told.number("cum_qty"), told.number("last_qty") or 0
        if total is None:
            booking = (told.ts, last, told.number("last_px"))
            is_new = booking not in parent.bookings[-BOOKINGS_REMEMBERED:]
            if is_new:
                parent.bookings.append(booking)
            total = parent.booked + (last if is_new else 0)
        change, parent.booked = total - parent.booked, total
        self.say_parent(
            K.PARENT_BOOKED if change else K.DUPLICATE, parent, qty=change, px=told.number("last_px")
        )

    def parent_done(self) -> None:
        parent = self.parent_meant()
        assert parent
        before, parent.is_done = parent.is_done, True
        self.say_parent(K.DUPLICATE if before else K.PARENT_DONE, parent)

    # -- orders -------------------------------------------------------------------------------

    def order_new(self) -> None:
        told = self.told
        order = self.find_order(told["order_id"])
        if order and order.who is not None:
            outlives = order.tif not in ("day", "opg", "cls") or bool(told["poss_dup"])
            if order.trade_date >= told.trade_date or (order.is_open and outlives):
                self.say(K.DUPLICATE, self.of_order(order))
                return
            order = None  # the id came back on another day
        elif order and self.is_yesterdays(order):
            order = None  # so it did
        is_late = order is not None
        order = order or self.new_order(told["order_id"])
        order.who = self.who(told["account"])
        order.symbol, order.sign = told["symbol"], told.sign
        order.session, order.venue = told.text("session"), told.text("venue") or order.venue
        order.tif = told.text("tif") or "day"  # FIX: an order without a time in force is a day order
        if not order.qty:  # else it was replaced before we heard of it
            order.qty, order.px = told.number("qty") or 0, told.number("price")
        order.is_conditional = bool(told["conditional"])
        order.is_package = told["multileg"] == "package"
        order.is_manual = told["origin"] in ("manual", "external")
        order.parent = self.parent_named()
        order.sent_at = self.times.at
        if order.is_open:
            self.rework(order, order.qty - order.consumed)
        if not order.is_open:
            order.at = self.times.at
        late = Note.LATE_ORDER if is_late else 0
        told_qty, told_px = told.number("qty"), told.number("price")
        self.say(K.ORDER_SENT, self.of_order(order), qty=told_qty, px=told_px, work=order.working, bits=late)
        if is_late and order.is_answered:
            self.say(K.ORDER_ANSWERED, self.of_order(order))
        for x in order.executions:
            self.move(x)

    def rework(self, order: Order, leaves: int) -> None:
        """New leaves.  What was killed stays so, and what nobody announced has none yet."""
        if order.is_killed or order.who is None:
            return
        order.is_open = leaves > 0
        if not order.is_open:
            order.at = self.times.at
        order.working = 0 if order.is_conditional or order.is_package else max(leaves, 0)

    def answer(self, order: Order) -> None:
        """The first answer of any kind; of an order not announced yet it is said when it is."""
        if not order.is_answered and order.who is not None:
            self.say(K.ORDER_ANSWERED, self.of_order(order))
        order.is_answered = True

    def may_lower(self, order: Order | None) -> bool:
        """A router speaks for its own orders only; venues and drop copies speak for all."""
        host, owner = self.told.text("host"), order.who["host"] if order and order.who else ""
        return self.told.source != "router" or not host or not owner or host == owner

    def order_ack(self) -> None:
        order = self.order_meant()
        self.answer(order)
        self.say(K.EVENT, self.of_order(order), work=order.working - self.working)

    def order_reject(self) -> None:
        self.out(Note.REJECTED)

    def order_cancel(self) -> None:
        self.out(Note.REQUESTED if self.told["reason_class"] in (None, "requested") else 0)

    def out(self, bits: int) -> None:
        order = self.order_meant()
        self.answer(order)
        if not self.may_lower(order):
            self.say(K.EVENT, self.of_order(order), work=order.working - self.working)
        elif order.is_killed:
            self.say(K.DUPLICATE, self.of_order(order), work=order.working - self.working)
        else:
            order.working = self.working
            self.kill(order, bits)

    def kill(self, order: Order, bits: int = 0) -> None:
        work, order.working = -order.working, 0
        order.is_open, order.is_killed, order.at = False, True, self.times.at
        self.say(K.ORDER_OUT, self.of_order(order), qty=order.qty, work=work, bits=bits)

    def replace_request(self) -> None:
        order = self.order_meant()
        qty, px = self.told.number("qty"), self.told.number("price")
        self.say(K.REQUESTED, self.of_order(order), qty=qty, px=px, work=order.working - self.working)

    cancel_request = replace_request

    def cancel_reject(self) -> None:
        order = self.order_meant()
        self.answer(order)
        self.say(K.REQUEST_REFUSED, self.of_order(order), work=order.working - self.working)

    def order_replace(self) -> None:
        told = self.told
        order = self.order_meant()
        self.answer(order)
        if told["order_id"] in order.replaced_by:
            self.say(K.DUPLICATE, self.of_order(order), work=order.working - self.working)
            return
        order.replaced_by.add(told["order_id"])
        if not self.is_later_told:
            total = told.number("qty") or 0
            order.qty = total if self.may_lower(order) else max(order.qty, total)
            order.px = order.px if told["price"] is None else told.number("price")
        self.rework(order, order.qty - order.consumed)
        change = order.working - self.working
        self.say(
            K.ORDER_CHANGED, self.of_order(order), qty=order.qty, px=order.px, work=change, bits=Note.REPLACED
        )

    def order_restate(self) -> None:
        order = self.order_meant()
        self.answer(order)
        before, leaves = self.working, self.told.number("leaves_qty") or 0
        if leaves > before or self.may_lower(order):
            self.rework(order, leaves)
        self.say(K.ORDER_CHANGED, self.of_order(order), qty=order.qty, work=order.working - before)

    # -- executions ---------------------------------------------------------------------------

    def space(self, order: Order | None) -> str:
        """Where an exec id is unique, "" where nothing says."""
        told = self.told
        if venue := told.text("venue") or (order.venue if order else ""):
            return f"venue {venue}"
        if session := told.text("session") or (order.session if order else ""):
            return f"session {session}"
        return f"order {told['order_id']}" if told.text("order_id") else ""

    def find_execution(
        self, exec_id: str, order: Order | None, *, any_date: bool, space: str = ""
    ) -> Execution | None:
        """The latest of that name; of the same trade date, if there is one."""
        space = self.space(order) or space
        session = self.told.text("session") or (order.session if order else "")

        def is_here(x: Execution) -> bool:
            if not x.space or not space or x.space == space:
                return True
            if x.is_early:  # who told it may have named the session only
                return order is not None and x.space == f"session {session}"
            if order is None:  # a bust, too
                return space in (f"venue {x.venue}", f"session {x.who['session']}")
            # Two venues that are named tell two executions apart; else the same order is proof enough.
            two_venues = x.space.startswith("venue") and space.startswith("venue")
            return x.order is order and not two_venues

        same = [x for x in reversed(self.books.executions) if exec_id in x.names and is_here(x)]
        today = [x for x in same if x.trade_date == self.told.trade_date]
        other = [x for x in same if any_date or x.is_early]
        return next(iter(today + other), None)

    def book(self, x: Execution, at: int, change: int) -> Columns:
        """Book a change of an execution's quantity.  What a stated position held already goes off its base."""
        pair, change = self.books.pairs[x.pair], x.sign * change
        pair.moves.append((at, change))
        base = -change if pair.as_of is not None and at <= pair.as_of else 0
        pair.base += base
        return {"pos": change, "base": base}

    def consume(self, order: Order, quantity: int) -> int:
        """Take an executed quantity off an order's leaves; returns the change of what is working."""
        order.consumed += quantity
        order.at = self.times.at
        before, order.working = order.working, max(order.working - quantity, 0)
        if order.who is not None and order.consumed >= order.qty:
            order.is_open = False
        return order.working - before

    def rebook(self, x: Execution, change: int) -> Columns:
        """More takes from the leaves, less gives none back."""
        assert x.order
        work = self.consume(x.order, change) if change > 0 else 0
        return {"fill": change, "work": work, **self.book(x, self.times.at, change)}

    def fill(self) -> None:
        told = self.told
        order = self.order_meant()
        x = self.find_execution(told["exec_id"], order, any_date=False)
        if x and not x.is_early:
            self.fill_again(x)
            return
        self.answer(order)
        qty, px = told.number("last_qty") or 0, told.number("last_px") or 0
        taken = qty
        if x is None:
            x = self.new_execution(told["exec_id"])
        elif x.state == "early bust":
            x.state = "busted"
        else:
            taken, qty, px = max(qty, x.qty), x.qty, x.px
            x.state, x.is_corrected = "live", True
        is_package = told["multileg"] == "package" or (order.is_package and told["multileg"] != "leg")
        x.state = "unbooked" if is_package else x.state
        x.space, x.trade_date = self.space(order), told.trade_date
        x.order, x.qty, x.px, x.at = order, qty, px, self.times.at
        x.who = self.who_of_fill(order)
        x.symbol, x.venue = told.text("symbol") or order.symbol, told.text("venue") or order.venue
        x.sign = told.sign or order.sign or 1
        x.is_sideless = not told.sign and order.who is None
        x.is_leg = told["multileg"] == "leg"
        x.parent = self.parent_named(order.parent) or order.parent
        order.executions.append(x)
        work = self.consume(order, 0 if is_package and not order.is_package else taken)
        booked = {"fill": qty, **self.book(x, x.at, qty)} if x.state == "live" else {}
        self.say(K.EXECUTED, self.of_execution(x), booked, work=work)

    def who_of_fill(self, order: Order) -> dict[str, str]:
        account = self.told.text("account")
        if order.who is None:
            return self.who(account or UNKNOWN_ACCOUNT)
        if not account or account == order.who["account"]:
            return order.who
        return {**order.who, "account": account}

    def new_execution(self, exec_id: str) -> Execution:
        x = Execution(self.books.next_code(), "", self.told.trade_date, [exec_id])
        self.books.executions.append(x)
        return x

    def fill_again(self, x: Execution) -> None:
        """A no-op, or a conflict in which the larger exposure counts."""
        qty, px = self.told.number("last_qty") or 0, self.told.number("last_px") or 0
        is_of_its_side = not self.told.sign or x.is_sideless or self.told.sign == x.sign
        is_same = (qty, px) == (x.qty, x.px) and is_of_its_side
        if x.state != "live" or x.is_corrected or is_same:
            self.say(K.DUPLICATE, self.of_execution(x))
            return
        booked: Columns = {}
        if qty * abs(px) > x.qty * abs(x.px):
            booked = self.rebook(x, qty - x.qty)
            x.qty, x.px = qty, px
        self.say(K.CONFLICT, self.of_execution(x), booked)

    def execution_meant(self) -> Execution | None:
        return self.find_execution(self.told["exec_ref_id"], None, any_date=True)

    def fill_bust(self) -> None:
        self.undo(K.BUSTED, self.execution_meant())

    def fill_correct(self) -> None:
        self.undo(K.CORRECTED, self.execution_meant())

    def undo(self, kind: K, x: Execution | None) -> None:
        told, corrects = self.told, kind is K.CORRECTED
        qty, px = told.number("last_qty") or 0, told.number("last_px") or 0
        early = self.told_before_it(x) if corrects else None
        if early:
            kind = K.BUSTED if early.state == "early bust" else kind
            qty, px = early.qty, early.px
        is_bust = kind is K.BUSTED
        if x is None:
            x = self.new_execution(told["exec_ref_id"])
            x.space, x.at = self.space(None), self.times.at
            x.state = "early bust" if is_bust else "early correction"
            if corrects:
                x.qty, x.px = qty, px
                self.name(x, early)
            self.say(kind, self.of_event(), bits=Note.ORDER_UNKNOWN)
            return
        is_gone = x.state in ("busted", "early bust")
        is_named = corrects and told.text("exec_id") in x.names[1:]
        again = is_gone or is_named or (not is_bust and (qty, px) == (x.qty, x.px))
        whose = self.of_event() if x.is_early else self.of_execution(x)
        change = (0 if is_bust else qty) - x.qty
        if not again and change < 0 and not x.is_early and not self.may_lower(x.order):
            self.say(K.EVENT, whose)
            return
        if corrects and not is_named:
            self.name(x, early)
        if again:
            self.say(K.DUPLICATE, whose)
            return
        booked = self.rebook(x, change) if x.state == "live" else {}
        if is_bust:
            x.state = "early bust" if x.is_early else "busted"
        else:
            x.qty, x.px, x.is_corrected = qty, px, True
            booked |= {"qty": qty, "px": px}
        self.say(kind, whose, booked)

    def told_before_it(self, x: Execution | None) -> Execution | None:
        """A bust or a correction that named this correction's exec id before it came."""
        exec_id = self.told.text("exec_id")
        if not exec_id:
            return None
        y = self.find_execution(exec_id, None, any_date=True, space=x.space if x else "")
        return y if y and y is not x and y.is_early else None

    def name(self, x: Execution, early: Execution | None) -> None:
        """A correction's own exec id is one more name of the execution; so are those that were told early."""
        if early:
            self.books.executions = [each for each in self.books.executions if each is not early]
        names = early.names if early else [self.told.text("exec_id")]
        x.names += [name for name in names if name not in ("", *x.names)]

    def move(self, x: Execution) -> None:
        """An execution leaves what was known of it and arrives where its late order says."""
        order = x.order
        assert order
        assert order.who
        was_live = x.state == "live"
        if was_live:
            left = {"fill": -x.qty, "at": x.at, **self.book(x, x.at, -x.qty)}
            own = {
                "symbol": x.symbol,
                "venue": x.venue,
                "sign": x.sign,
                "pair": x.pair,
                "qty": x.qty,
                "px": x.px,
            }
            self.say(
                K.MOVED_OUT, self.of_who(x.who), self.of_parent(x.parent, x.symbol, x.sign), own, left,
                order=order.code, exec=x.code, bits=Note.ORDER_UNKNOWN,
            )  # fmt: skip
        account = x.who["account"]
        x.who = (
            order.who
            if account in (UNKNOWN_ACCOUNT, order.who["account"])
            else {**order.who, "account": account}
        )
        x.symbol, x.venue = x.symbol or order.symbol, x.venue or order.venue
        x.sign = order.sign if x.is_sideless else x.sign
        x.is_sideless = False
        x.parent = x.parent or order.parent
        if order.is_package and not x.is_leg and was_live:
            x.state = "unbooked"
        if was_live:
            arrived = {"fill": x.qty, **self.book(x, x.at, x.qty)} if x.state == "live" else {}
            self.say(K.MOVED_IN, self.of_execution(x), arrived, at=x.at)

    # -- the rest -----------------------------------------------------------------------------

    def position(self) -> None:
        told = self.told
        pair = self.books.pairs[told["account"], told["symbol"]]
        as_of, qty = int(told["as_of"]), told.number("qty") or 0
        named = {"pair": (told["account"], told["symbol"])}
        if pair.as_of is not None and as_of < pair.as_of:
            self.say(K.DUPLICATE, self.of_event(), named)
            return
        change = qty - pair.known_at(as_of)
        pair.base += change
        pair.as_of = as_of
        self.say(K.POSITION_SET, self.of_event(), named, qty=qty, px=told.number("price"), base=change)

    def session_phase(self) -> None:
        told = self.told
        if told["phase"] == "pre_open":
            self.books.is_cold = False
        self.say(K.EVENT, self.of_event())
        if told["phase"] == "closed":
            for order in self.books.orders:
                is_days = order.tif in ("day", "opg", "cls") and order.trade_date <= told.trade_date
                if order.who is not None and order.is_open and is_days and order.venue == told["venue"]:
                    self.kill(order)

    def heartbeat(self) -> None:
        self.books.builds[self.told["host"]] = self.told["build"]
        self.say(K.EVENT, self.of_event())

    def instrument(self) -> None:
        self.say(K.INSTRUMENT, self.of_event())

    def mark(self) -> None:
        self.say(K.MARKED, self.of_event(), px=self.told.number("price"))

    def fx(self) -> None:
        self.say(K.RATED, self.of_event(), px=self.told.number("usd"), venue=self.told["currency"])

    def other(self) -> None:
        self.say(K.EVENT, self.of_event())

"""Parents and their orders on a stage, from being sent to being over.

parent = Parent.accepted(stage, ...)      the order system has it
order = Order.sent(stage, line, ...)      a child leaves, with or without a parent
order.acked(); order.filled(ts, qty, px)  the venue answers; each fill is booked on the parent
parent.done()                             after everything
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from detectors.event import Kind
from monitor.scenarios.stage import Harm, Line, Stage, delay_ns, key_of

if TYPE_CHECKING:
    import numpy as np

BUYS: Final = frozenset({"buy"})


@dataclass(slots=True)
class Parent:
    """An order that a customer or a strategy gave, worked by children."""

    stage: Stage
    name: str
    account: str
    symbol: str
    side: str
    qty: int
    luck: np.random.Generator
    over_ts: int  # when the last of it and its bookings was over, so far

    @classmethod
    def accepted(
        cls,
        stage: Stage,
        ts: int,
        account: str,
        strategy: str,
        symbol: str,
        side: str,
        qty: int,
        *,
        luck: np.random.Generator | None = None,
        name: str = "",
        **more: Any,
    ) -> Self:
        name = name or f"P{stage.ids()}"
        parent = cls(stage, name, account, symbol, side, qty, stage.luck if luck is None else luck, ts)
        parent.say(
            Kind.PARENT_NEW, ts, account=account, strategy=strategy, symbol=symbol, side=side, qty=qty,
            price=stage.tape.price(symbol, ts), **more,
        )  # fmt: skip
        return parent

    def say(self, kind: Kind, ts: int, **fields: Any) -> None:
        key = key_of(self.account)
        self.over_ts = max(self.over_ts, ts)
        self.stage.say(kind, ts, key, "oms", parent_id=self.name, **fields, stream=key)

    def booked(self, fill_ts: int, qty: float, price: float, lag_ns: int | None = None) -> None:
        lag_ns = delay_ns(self.luck, 12, 0.8, 1, 300) if lag_ns is None else lag_ns
        self.say(Kind.PARENT_FILL, fill_ts + lag_ns, last_qty=qty, last_px=price)

    def replaced(self, ts: int, qty: int) -> None:
        self.qty = qty
        self.say(Kind.PARENT_REPLACE, ts, qty=qty)

    def done(self, ts: int | None = None) -> None:
        self.say(Kind.PARENT_DONE, self.over_ts + delay_ns(self.luck, 10, 0.5, 2, 50) if ts is None else ts)


@dataclass(slots=True)
class Order:
    """One order at a venue; after a replace `name` is the new one."""

    stage: Stage
    line: Line
    name: str
    sent_ts: int
    symbol: str
    side: str
    qty: int
    price: float
    parent: Parent | None
    luck: np.random.Generator
    leaves: float = 0
    at: int = 0  # the time of its latest event
    execs: int = 0
    requests: int = 0
    booking_ns: int | None = None  # a booking lag of its own
    fills: list[str] = field(default_factory=list)

    @classmethod
    def sent(
        cls,
        stage: Stage,
        line: Line,
        ts: int,
        symbol: str,
        side: str,
        qty: int,
        price: float,
        *,
        parent: Parent | None = None,
        parent_id: str | None = None,
        luck: np.random.Generator | None = None,
        name: str = "",
        tif: str = "day",
        order_type: str = "limit",
        **more: Any,
    ) -> Self:
        """`parent_id` is what the order says where that is not its true parent."""
        name = name or f"O{stage.ids()}"
        luck = stage.luck if luck is None else luck
        order = cls(stage, line, name, ts, symbol, side, qty, price, parent, luck, leaves=qty, at=ts)
        running = stage.running(line.host, ts)
        order._say(
            Kind.ORDER_NEW, ts, build=running.build, account=line.account, strategy=line.strategy,
            session=line.session, venue=line.venue, **line.who, symbol=symbol, side=side, order_id=name,
            parent_id=parent_id or (parent.name if parent else None), qty=qty,
            price=None if order_type == "market" else price, order_type=order_type, tif=tif, **more,
        )  # fmt: skip
        return order

    def acked(self, ts: int | None = None) -> Self:
        at = self.sent_ts + delay_ns(self.luck, 2, 0.6, 0.3, 80) if ts is None else ts
        self._say(Kind.ORDER_ACK, at, order_id=self.name)
        return self

    def rejected(self, reason: str, ts: int | None = None) -> Self:
        at = self.sent_ts + delay_ns(self.luck, 2, 0.6, 0.3, 80) if ts is None else ts
        self._say(Kind.ORDER_REJECT, at, order_id=self.name, reason=reason)
        self._over(at)
        return self

    def filled(
        self,
        ts: int | None = None,
        qty: float | None = None,
        price: float | None = None,
        *,
        book: bool = True,
        **more: Any,
    ) -> Self:
        """One execution, told by the drop copy, and booked if there is a parent."""
        at = self.at + delay_ns(self.luck, 2, 0.6, 0.2, 40) if ts is None else ts
        qty = self.leaves if qty is None else qty
        px = self.price if price is None else price
        assert 0 < qty <= self.leaves, f"{self.name}: {qty} of {self.leaves} at {at}"
        assert at > self.sent_ts
        self.leaves -= qty
        self.execs += 1
        exec_id = more.pop("exec_id", f"X{self.name}.{self.execs}")
        self.fills.append(exec_id)
        key = key_of(self.line.account)
        self.stage.say(
            Kind.FILL, at, key, "drop_copy", venue=self.line.venue, exec_id=exec_id, order_id=self.name,
            last_qty=qty, last_px=px, leaves_qty=self.leaves, **more, stream=key,
        )  # fmt: skip
        self.at = max(self.at, at)
        if self.parent is not None and book:
            self.parent.booked(at, qty, px, self.booking_ns)
        if self.line.wrong:
            stage = self.stage
            sign = 1 if self.side in BUYS else -1
            loss = stage.dollars(self.symbol, sign * qty, px - stage.tape.of[self.symbol].price)
            stage.harm.append(Harm(at, qty, stage.dollars(self.symbol, qty, px), loss))
        return self

    def cancel_asked(self, ts: int) -> Self:
        self.requests += 1
        name = f"{self.name}.x{self.requests}"
        self._say(Kind.CANCEL_REQUEST, ts, order_id=name, orig_order_id=self.name)
        return self

    def cancel_refused(self, ts: int, reason: str) -> Self:
        name = f"{self.name}.x{self.requests}"
        self._say(Kind.CANCEL_REJECT, ts, order_id=name, orig_order_id=self.name, reason=reason)
        return self

    def out(self, ts: int, reason_class: str = "requested") -> Self:
        self._say(Kind.ORDER_CANCEL, ts, order_id=self.name, reason_class=reason_class)
        self.leaves = 0
        self._over(ts)
        return self

    def cancelled(self, ts: int) -> Self:
        """Asked for at a time, and out when the venue has answered."""
        return self.cancel_asked(ts).out(ts + delay_ns(self.luck, 2, 0.6, 0.3, 80))

    def replaced(self, ts: int, qty: int, price: float, answer_ns: int | None = None) -> Self:
        """Asked for at a time, accepted a little later; `qty` is the new total."""
        self.requests += 1
        name = f"{self.name.partition('~')[0]}~{self.requests}"
        change = {"order_id": name, "orig_order_id": self.name, "qty": qty, "price": price}
        answer_ns = delay_ns(self.luck, 2, 0.6, 0.3, 80) if answer_ns is None else answer_ns
        self._say(Kind.REPLACE_REQUEST, ts, **change)
        self._say(Kind.ORDER_REPLACE, ts + answer_ns, **change)
        self.leaves += qty - self.qty
        self.name, self.qty, self.price = name, qty, price
        return self

    def _over(self, ts: int) -> None:
        if self.parent is not None:
            self.parent.over_ts = max(self.parent.over_ts, ts)

    def _say(self, kind: Kind, ts: int, **fields: Any) -> None:
        key, host = key_of(self.line.account), self.line.host.name
        self.at = max(self.at, ts)
        self.stage.say(
            kind, ts, key, "router", host=host, boot=self.stage.boot(host, ts), **fields, stream=key
        )


def busted(stage: Stage, order: Order, exec_id: str, ts: int) -> None:
    """An execution is cancelled by its venue."""
    key = key_of(order.line.account)
    stage.say(
        Kind.FILL_BUST, ts, key, "drop_copy", venue=order.line.venue, exec_ref_id=exec_id,
        stream=key,
    )  # fmt: skip

"""How an order and what becomes of it are written down as telemetry.

A router sends orders, hears acknowledgements and cancels; the drop copy tells fills; the order system
accepts parents, books their fills and ends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.event import Kind
from monitor.scenarios.day import GROUP_KEYS, ROUTER_BUILD_TEXT, ROUTER_TEXT, VENUES, boots
from monitor.scenarios.rows import (
    DROP_COPY,
    OMS,
    Floats,
    Ints,
    Rows,
    Texts,
    make_rows,
    objects,
    router_writer,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDES: Final = ("buy", "sell", "sell_short")
_GROUP_OF: Final = objects(GROUP_KEYS)


@dataclass(slots=True)
class Parents:
    """Parent orders as columns."""

    number: Ints
    group: Ints
    name: Texts
    account: Texts
    strategy: Texts
    symbol: Texts
    side: Ints  # index into SIDES
    qty: Ints

    def take(self, which: Any) -> Parents:
        return Parents(
            self.number[which], self.group[which], self.name[which], self.account[which],
            self.strategy[which], self.symbol[which], self.side[which], self.qty[which],
        )  # fmt: skip

    def opened(self, ts: Ints, price: Floats) -> Rows:
        bodies = [
            f'{{"kind":"parent_new","ts":{t},"source":"oms","parent_id":"{name}","account":"{account}",'
            f'"strategy":"{strategy}","symbol":"{symbol}","side":"{SIDES[side]}","qty":{qty},"price":{p}'
            f'{_FLAGS.get(strategy, "")},"stream":"{GROUP_KEYS[g]}"'
            for t, name, account, strategy, symbol, side, qty, p, g in columns(
                ts,
                self.name,
                self.account,
                self.strategy,
                self.symbol,
                self.side,
                self.qty,
                price,
                self.group,
            )
        ]
        return self._by_oms(Kind.PARENT_NEW, ts, bodies)

    def booked(self, ts: Ints, qty: Ints, price: Floats, order: Ints, fill_ts: Ints) -> Rows:
        """Bookings of fills; a row of `self` for each."""
        bodies = [
            f'{{"kind":"parent_fill","ts":{t},"source":"oms","parent_id":"{name}","last_qty":{q},"last_px":{p},'
            f'"stream":"{GROUP_KEYS[g]}"'
            for t, name, q, p, g in columns(ts, self.name, qty, price, self.group)
        ]
        return self._by_oms(Kind.PARENT_FILL, ts, bodies, order=order, cause_ts=fill_ts)

    def done(self, ts: Ints) -> Rows:
        bodies = [
            f'{{"kind":"parent_done","ts":{t},"source":"oms","parent_id":"{name}","stream":"{GROUP_KEYS[g]}"'
            for t, name, g in columns(ts, self.name, self.group)
        ]
        return self._by_oms(Kind.PARENT_DONE, ts, bodies)

    def _by_oms(self, kind: Kind, ts: Ints, bodies: Sequence[str], **more: Ints) -> Rows:
        return make_rows(
            kind, ts, _GROUP_OF[self.group], bodies, writer=OMS + self.group, parent=self.number, **more
        )


_FLAGS: Final = {"rlp": ',"flags":["rlp"]'}


@dataclass(slots=True)
class Orders:
    """Child orders as columns."""

    number: Ints
    parent: Ints
    group: Ints
    name: Texts
    parent_name: Texts
    account: Texts
    strategy: Texts
    symbol: Texts
    side: Ints
    qty: Ints
    price: Floats
    host: Ints
    line: Ints  # 0 or 1: which of its host's two sessions
    venue: Ints  # index into VENUES
    tif: Texts
    sent_ts: Ints

    def take(self, which: Any) -> Orders:
        return Orders(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def sent(self) -> Rows:
        ts = self.sent_ts
        bodies = [
            f'{{"kind":"order_new","ts":{t},{ROUTER_BUILD_TEXT[h, b]},"account":"{account}",'
            f'"strategy":"{strategy}","session":"S{h}{"AB"[line]}","venue":"{VENUES[v]}",'
            f'"symbol":"{symbol}","side":"{SIDES[side]}","order_id":"{name}","parent_id":"{parent}",'
            f'"qty":{qty},"price":{p},"order_type":"limit","tif":"{tif}","stream":"{GROUP_KEYS[g]}"'
            for t, h, b, account, strategy, line, v, symbol, side, name, parent, qty, p, tif, g in columns(
                ts, self.host, boots(self.host, ts), self.account, self.strategy, self.line, self.venue,
                self.symbol, self.side, self.name, self.parent_name, self.qty, self.price, self.tif,
                self.group,
            )
        ]  # fmt: skip
        return self._by_router(Kind.ORDER_NEW, ts, bodies)

    def acknowledged(self, ts: Ints) -> Rows:
        return self._simple(Kind.ORDER_ACK, ts, self.sent_ts)

    def rejected(self, ts: Ints, reason: str) -> Rows:
        return self._simple(Kind.ORDER_REJECT, ts, self.sent_ts, f',"reason":"{reason}"')

    def cancel_requested(self, ts: Ints) -> Rows:
        return self._request(Kind.CANCEL_REQUEST, ts, ".x", [""] * len(ts))

    def cancelled(self, ts: Ints, requested_ts: Ints) -> Rows:
        return self._simple(Kind.ORDER_CANCEL, ts, requested_ts, ',"reason_class":"requested"')

    def expired_at_once(self, ts: Ints) -> Rows:
        """What an immediate-or-cancel order leaves is out."""
        return self._simple(Kind.ORDER_CANCEL, ts, self.sent_ts, ',"reason_class":"ioc"')

    def replace_requested(self, ts: Ints, price: Floats) -> Rows:
        return self._request(Kind.REPLACE_REQUEST, ts, ".r", self._amended(price))

    def replaced(self, ts: Ints, price: Floats, requested_ts: Ints) -> Rows:
        return self._request(Kind.ORDER_REPLACE, ts, ".r", self._amended(price), requested_ts)

    def filled(
        self, ts: Ints, qty: Ints, price: Floats, leaves: Ints, nth: str, *, after_replace: bool = False
    ) -> Rows:
        """Fills as the drop copy tells them; `nth` makes the execution ids of one order differ."""
        suffix = ".r" if after_replace else ""
        bodies = [
            f'{{"kind":"fill","ts":{t},"source":"drop_copy","venue":"{VENUES[v]}","exec_id":"X{name}{nth}",'
            f'"order_id":"{name}{suffix}","last_qty":{q},"last_px":{p},"leaves_qty":{rest},"stream":"{GROUP_KEYS[g]}"'
            for t, v, name, q, p, rest, g in columns(
                ts, self.venue, self.name, qty, price, leaves, self.group
            )
        ]
        return make_rows(
            Kind.FILL, ts, _GROUP_OF[self.group], bodies,
            writer=DROP_COPY + self.group, order=self.number, parent=self.parent,
        )  # fmt: skip

    def _amended(self, price: Floats) -> list[str]:
        return [f',"qty":{q},"price":{p}' for q, p in columns(self.qty, price)]

    def _request(
        self, kind: Kind, ts: Ints, suffix: str, tails: Sequence[str], cause_ts: Ints | None = None
    ) -> Rows:
        bodies = [
            f'{{"kind":"{kind.name.lower()}","ts":{t},{ROUTER_TEXT[h, b]},"order_id":"{name}{suffix}",'
            f'"orig_order_id":"{name}"{tail},"stream":"{GROUP_KEYS[g]}"'
            for t, h, b, name, g, tail in zip(
                *(c.tolist() for c in (ts, self.host, boots(self.host, ts), self.name, self.group)),
                tails,
                strict=True,
            )
        ]
        return self._by_router(kind, ts, bodies, cause_ts)

    def _simple(self, kind: Kind, ts: Ints, cause_ts: Ints, tail: str = "") -> Rows:
        word = kind.name.lower()
        bodies = [
            f'{{"kind":"{word}","ts":{t},{ROUTER_TEXT[h, b]},"order_id":"{name}"{tail},'
            f'"stream":"{GROUP_KEYS[g]}"'
            for t, h, b, name, g in columns(ts, self.host, boots(self.host, ts), self.name, self.group)
        ]
        return self._by_router(kind, ts, bodies, cause_ts)

    def _by_router(self, kind: Kind, ts: Ints, bodies: Sequence[str], cause_ts: Ints | None = None) -> Rows:
        return make_rows(
            kind, ts, _GROUP_OF[self.group], bodies, host=self.host, order=self.number, parent=self.parent,
            writer=router_writer(self.host, boots(self.host, ts), self.group), cause_ts=cause_ts,
        )  # fmt: skip


def columns(*arrays: Any) -> Any:
    """Walk through columns row by row, as Python's own numbers (numpy's print and format slowly)."""
    return zip(*(np.asarray(a).tolist() for a in arrays), strict=True)

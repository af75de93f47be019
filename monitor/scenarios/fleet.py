"""A scenario in a closed loop: the same intended orders, but sent only if their gates allow.

    plan (rows)  ->  gates  ->  events that happen   ->   a monitor   ->  halts  ->  gates

The world around the gates is the scenario's: venues answer, fill and cancel an order as planned unless it
was never sent or is out; the order system books what was filled, and a parent that lost a
child to a gate is held, so it is not done.  Until a gate stops something, the events are the open loop's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from detectors.event import Kind
from monitor.scenarios.day import START_NS
from monitor.scenarios.router import Router
from monitor.scenarios.rows import HOSTS, NO_ROWS, Event, Rows, Sequencer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitor.gateway import Keyring, Signer
    from monitor.gateway.voice import Letter
    from monitor.scenarios.scenario import Scenario

_ORDER_ROWS: Final = frozenset(
    {Kind.ORDER_ACK, Kind.ORDER_REJECT, Kind.ORDER_CANCEL, Kind.ORDER_REPLACE, Kind.REPLACE_REQUEST}
    | {Kind.CANCEL_REQUEST, Kind.CANCEL_REJECT, Kind.FILL}
)


@dataclass(slots=True)
class Tally:
    """What one account did: the first order's time, orders and executions so far, dollars traded."""

    first_order_ts: int = 0
    orders: int = 0
    executions: int = 0
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class Stepped:
    """What happened in a step: events for the telemetry topics, letters for both roads."""

    events: list[Event]
    letters: list[Letter] = field(default_factory=list)


class Fleet:
    """Eight routers, the venues, the order system and the clean flow, driven in event time."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        scale: float,
        signers: Mapping[str, Signer],
        keyring: Keyring,
        site: str,
        env: str,
        boot: str,
        now_ns: int,
        since_ns: int | None = None,
    ) -> None:
        """`signers` by router name.  With `since_ns` the quiet hours before it are left out."""
        self.routers = tuple(
            Router(
                host,
                signer=signers[f"smars-{host}"],
                keyring=keyring,
                site=site,
                env=env,
                boot=boot,
                now_ns=now_ns,
            )
            for host in range(1, HOSTS + 1)
        )
        self.at_ns = START_NS
        self._plan = scenario.rows(seed, scale, since=since_ns)
        self._waiting = NO_ROWS
        self._planned_ns = 0  # the plan was read to here
        self._blocks = iter(scenario.blocks[1:])
        self._numbers = Sequencer()
        self._whose: dict[int, Router] = {}
        self._unbooked: set[tuple[int, int]] = set()  # (order, ts) of fills that the order system will book
        self._tallies: dict[str, Tally] = {}
        self._price: dict[str, float] = {}

    def hello(self, now_ns: int) -> list[Letter]:
        return [router.hello(now_ns) for router in self.routers]

    def hear(self, raw: bytes, now_ns: int) -> list[Letter]:
        """Give one message to every router, as both roads do."""
        return [letter for router in self.routers for letter in router.hear(raw, now_ns)]

    def step(self, until_ns: int, now_ns: int | None = None) -> Stepped:
        """Let event time come to `until_ns`.

        `now_ns` is the clock by which monitors sign and gates count; without it, event time.
        """
        due = self._due(until_ns)
        kept = np.fromiter((self._happens(row, now_ns) for row in _walk(due)), dtype=np.bool_, count=len(due))
        events = self._numbers.events(due.take(kept))
        self.at_ns = until_ns
        letters: list[Letter] = []
        for router in self.routers:
            router.at_ns = until_ns
            letters += router.take_letters(until_ns if now_ns is None else now_ns)
        return Stepped(events, letters)

    def tally(self, account: str) -> Tally:
        return self._tallies.get(account, Tally())

    def gross(self, account: str) -> float:
        """Dollars of positions and the worse side of what works, at the last prices: what was done today."""
        pairs = {pair for router in self.routers for pair in router.positions() if pair[0] == account}
        total = 0.0
        for _, symbol in pairs:
            each = [router.position(account, symbol) for router in self.routers]
            held = sum(int(p.qty) for p in each)
            buys, sells = sum(int(p.working_buys) for p in each), sum(int(p.working_sells) for p in each)
            total += max(abs(held + buys), abs(held - sells)) * self._price[symbol]
        return total

    @property
    def orders_after_applied(self) -> int:
        return sum(router.sent_after_applied for router in self.routers)

    def _due(self, until_ns: int) -> Rows:
        parts = [self._waiting, *(rows for router in self.routers for rows in router.take_rows())]
        while self._planned_ns < until_ns:
            rows = next(self._plan, None)
            if rows is None:
                self._planned_ns = until_ns
                break
            parts.append(rows)
            self._planned_ns = next(self._blocks)
        rows = Rows.joined(parts).sorted() if len(parts) > 1 else self._waiting
        upto = int(np.searchsorted(rows.ts, until_ns))
        self._waiting = rows.take(slice(upto, None))
        return rows.take(slice(0, upto))

    def _happens(self, row: _Row, now_ns: int | None) -> bool:
        """Whether a planned row comes true; and if it does, who must know."""
        ts, kind, host, order, parent, cause_ts, key, body = row
        now = ts if now_ns is None else now_ns
        if kind == Kind.ORDER_NEW:
            return self._send(ts, self.routers[host - 1], order, parent, key, _read(body), now)
        if kind in _ORDER_ROWS:
            router = self._whose.get(order)
            if router is None:
                return kind == Kind.CANCEL_REJECT  # only of an order that is out: the cancel came too late
            return self._lives(ts, router, kind, order, body, now)
        if kind == Kind.PARENT_FILL:
            booked = (order, cause_ts) in self._unbooked
            self._unbooked.discard((order, cause_ts))
            return booked
        if kind == Kind.PARENT_DONE:
            return not any(parent in router.held_parents for router in self.routers)
        return True

    def _send(
        self, ts: int, router: Router, order: int, parent: int, key: str, event: Mapping[str, Any], now: int
    ) -> bool:
        if not router.send(order, parent, key, event, now):
            return False
        self._whose[order] = router
        self._price.setdefault(event["symbol"], event["price"])
        tally = self._tallies.setdefault(event["account"], Tally(first_order_ts=ts))
        tally.orders += 1
        return True

    def _lives(self, ts: int, router: Router, kind: int, order: int, body: str, now: int) -> bool:
        """Go on with an order that works."""
        match kind:
            case Kind.FILL:
                event = _read(body)
                attributes = router.working[order].order.attributes
                router.filled(order, event["last_qty"])
                self._unbooked.add((order, ts))
                self._price[str(attributes["symbol"])] = event["last_px"]
                tally = self._tallies[str(attributes["account"])]
                tally.executions += 1
                tally.dollars += event["last_qty"] * event["last_px"]
            case Kind.ORDER_CANCEL | Kind.ORDER_REJECT:
                router.out(order)
            case Kind.CANCEL_REJECT:
                return False
            case Kind.REPLACE_REQUEST:
                allowed = router.may_replace(order, _read(body), now)
                if not allowed:
                    self._whose[-order - 2] = self._whose.pop(order)
                return allowed
            case Kind.CANCEL_REQUEST:
                return router.may_cancel(order, now)
            case Kind.ORDER_REPLACE:
                router.replaced(order, _read(body))
        if order not in router.working:
            del self._whose[order]
        return True


_Row = tuple[int, int, int, int, int, int, str, str]


def _walk(rows: Rows) -> Iterator[_Row]:
    return zip(
        *(c.tolist() for c in (rows.ts, rows.kind, rows.host, rows.order, rows.parent, rows.cause_ts)),
        rows.key.tolist(),
        rows.body.tolist(),
        strict=True,
    )


def _read(body: str) -> dict[str, Any]:
    return msgspec.json.decode(body + "}", type=dict[str, Any])

"""A simulated routing server that obeys: its gate decides each order, and it says what it did.

It has an intended day (the scenario's rows) and sends of it what its gate allows.  It knows
its own working orders and positions, cancels what a halt tells it to, lists what it cannot cancel,
and acknowledges: received, applied, completed, with how many orders it refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.contract import Level
from detectors.event import Kind
from monitor.gateway import Action, Decision, Effect, Gate, Keyring, Order, Position, Signer, Voice
from monitor.scenarios.day import GROUP_KEYS, MS_NS, ROUTER_TEXT, SECOND_NS, boots, eastern_ns, host_name
from monitor.scenarios.rows import Rows, make_rows, router_writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.gateway.latches import Held
    from monitor.gateway.voice import Letter

STOPPABLE_KINDS: Final = (
    "host", "gateway", "account", "strategy", "build", "session", "venue", "symbol", "side", "parent",
)  # fmt: skip
CANCEL_TAKES_NS: Final = 3 * MS_NS
AUCTION_LOCK_NS: Final = eastern_ns(
    9, 28
)  # NYSE takes no cancel of an on-open order from two minutes before it
AUCTION_NS: Final = eastern_ns(9, 30, 1)
LOCKED: Final = "on-open order, locked since 09:28"
# A gate at Knight's pace refuses a thousand orders a second; a signed message for each would be a flood of
# its own.  So many are told one by one in a second, all are counted in the acknowledgements.
REFUSALS_TOLD_PER_S_MAX: Final = 20


@dataclass(slots=True)
class Working:
    """An order that may still execute."""

    number: int
    parent: int
    key: str
    tif: str
    order: Order  # its `order_id` is the present end of its replace chain


@dataclass(slots=True)
class Applied:
    """A halt that holds here, and what is still to be done for it."""

    held: Held
    cancelling: set[int] = field(default_factory=set)
    survivors: tuple[tuple[str, str], ...] = ()
    refused: int = 0
    refused_told: int = 0
    working: int = 0

    @property
    def state(self) -> str:
        return "applied" if self.cancelling else "completed"


class Router:
    """One of the eight.  Transport-free: hears envelopes, gives rows and letters."""

    def __init__(
        self, host: int, *, signer: Signer, keyring: Keyring, site: str, env: str, boot: str, now_ns: int
    ) -> None:
        self.host = host
        self.name = host_name(host)
        self.gate = Gate(
            self.name, site=site, env=env, keyring=keyring, now_ns=now_ns, positions=self.position
        )
        self.at_ns = 0  # event time until which it was driven
        self.working: dict[int, Working] = {}
        self.sent = 0
        self.refused = 0
        self.sent_after_applied = (
            0  # counted by what was applied, not by the gate: the gate is what it checks
        )
        self.applied: dict[str, Applied] = {}
        self.held_parents: set[int] = set()
        self._voice = Voice(signer, self.name, site=site, env=env, boot=boot)
        self._filled: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._at_venues: Counter[tuple[str, str, bool]] = Counter()
        self._cancelling: set[int] = set()  # asked for by any halt
        self._rows: list[Rows] = []
        self._letters: list[Letter] = []
        self._told = (0, 0)  # the second, and the refusals told in it

    # What the world hears of it

    def hello(self, now_ns: int) -> Letter:
        return self._voice.hello([{"host": self.name}], STOPPABLE_KINDS, tuple(Level), now_ns, cod=True)

    def hear(self, raw: bytes, now_ns: int) -> list[Letter]:
        """Obey one message of either road; `now_ns` is the clock by which monitors sign."""
        heard = self.gate.hear(raw, now_ns)
        letters: list[Letter] = []
        for held in heard.halts:
            if heard.effect is Effect.TIGHTENED:
                letters += self._voice.acks(held, "received", now_ns)
                letters += self._apply(held, now_ns)
            else:
                letters += self._acknowledge(
                    self.applied[held.halt_id], now_ns
                )  # it was sent again: so is this
        return letters

    def take_rows(self) -> list[Rows]:
        """Events that obedience made: cancels, at the event time where it stands."""
        rows, self._rows = self._rows, []
        return rows

    def take_letters(self, now_ns: int) -> list[Letter]:
        """What there is to say after a step: refusals, completions, how many more were refused."""
        letters, self._letters = self._letters, []
        second = self.at_ns // SECOND_NS
        if self.applied:  # a resume may have closed some, or capped them
            open_now = {held.halt_id: held for held in self.gate.open(now_ns)}
            self.applied = {name: applied for name, applied in self.applied.items() if name in open_now}
        for applied in self.applied.values():
            applied.held = open_now[applied.held.halt_id]
            over = [number for number in applied.cancelling if number not in self.working]
            applied.cancelling.difference_update(over)
            counted = applied.refused != applied.refused_told and second != self._told[0]
            if (over and not applied.cancelling) or counted:
                letters += self._acknowledge(applied, now_ns)
        return letters

    # What it does

    def send(self, number: int, parent: int, key: str, event: Mapping[str, Any], now_ns: int) -> bool:
        """Ask the gate; send, or hold the parent."""
        order = order_of(event)
        decision = self.gate.decide(Action.NEW, order, now_ns)
        if not decision.allowed:
            self._refuse(order, parent, decision, now_ns)
            return False
        self.sent += 1
        self.sent_after_applied += any(
            a.held.live and a.held.level >= Level.HALT_NEW and a.held.scope.holds_for(order.attributes)
            for a in self.applied.values()
        )
        self.working[number] = Working(number, parent, key, str(event["tif"]), order)
        self._works(order, 1)
        return True

    def may_replace(self, number: int, event: Mapping[str, Any], now_ns: int) -> bool:
        """Ask the gate.  What is refused rests as it is: its planned life ends here."""
        working = self.working[number]
        wanted = replace(working.order, order_id=event["order_id"], qty=event["qty"], price=event["price"])
        decision = self.gate.decide(Action.REPLACE, wanted, now_ns, replaces=working.order)
        if not decision.allowed:
            self._refuse(wanted, working.parent, decision, now_ns)
            del self.working[number]
            working.number = -number - 2  # no planned row names it any more
            self.working[working.number] = working
        return decision.allowed

    def may_cancel(self, number: int, now_ns: int) -> bool:
        return self.gate.decide(Action.CANCEL, self.working[number].order, now_ns).allowed

    def replaced(self, number: int, event: Mapping[str, Any]) -> None:
        working = self.working[number]
        working.order = replace(working.order, order_id=event["order_id"], price=event["price"])

    def filled(self, number: int, qty: int) -> None:
        working = self.working[number]
        order = working.order
        self._works(order, -1)
        working.order = replace(order, leaves=order.working - qty)
        self._filled[_pair(order)] += qty if order.side == "buy" else -qty
        self._works(working.order, 1)
        if working.order.working <= 0:
            self.out(number)

    def out(self, number: int) -> None:
        self._works(self.working.pop(number).order, -1)
        self._cancelling.discard(number)

    def position(self, account: str, symbol: str) -> Position:
        """Its own doing alone: what other servers and other days did, it does not know."""
        return Position(
            self._filled[account, symbol],
            self._at_venues[account, symbol, True],
            self._at_venues[account, symbol, False],
        )

    def positions(self) -> Iterable[tuple[str, str]]:
        """Accounts and symbols that it ever filled or has at venues."""
        return {
            *self._filled,
            *((account, symbol) for (account, symbol, _), n in self._at_venues.items() if n),
        }

    def _works(self, order: Order, times: int) -> None:
        account, symbol = _pair(order)
        self._at_venues[account, symbol, order.side == "buy"] += times * int(order.working)

    def _refuse(self, order: Order, parent: int, decision: Decision, now_ns: int) -> None:
        self.refused += 1
        self.held_parents.add(parent)
        if decision.halt_id in self.applied:
            self.applied[decision.halt_id].refused += 1
        second = self.at_ns // SECOND_NS
        told = self._told[1] if self._told[0] == second else 0
        if told < REFUSALS_TOLD_PER_S_MAX:
            self._letters.append(self._voice.refusal(order, decision, now_ns))
        self._told = (second, told + 1)

    def _apply(self, held: Held, now_ns: int) -> list[Letter]:
        before = self.applied.get(held.halt_id)
        applied = self.applied[held.halt_id] = Applied(held, refused=before.refused if before else 0)
        inside = [w for w in self.working.values() if held.scope.holds_for(w.order.attributes)]
        if held.live and held.level >= Level.HALT_CANCEL:
            locked = [w for w in inside if self._is_locked(w)]
            applied.survivors = tuple((w.order.order_id, LOCKED) for w in locked)
            going = [w for w in inside if not self._is_locked(w)]
            applied.cancelling = {w.number for w in going}
            self.held_parents.update(w.parent for w in inside)
            asks = held.level is Level.HALT_CANCEL
            self._rows += [self._cancel(w, asks=asks) for w in going if w.number not in self._cancelling]
            self._cancelling.update(applied.cancelling)
        letters = list(self._voice.acks(held, "applied", now_ns, **self._report(applied, now_ns)))
        return letters if applied.cancelling else letters + self._acknowledge(applied, now_ns)

    def _acknowledge(self, applied: Applied, now_ns: int) -> list[Letter]:
        applied.refused_told = applied.refused
        return list(self._voice.acks(applied.held, applied.state, now_ns, **self._report(applied, now_ns)))

    def _report(self, applied: Applied, now_ns: int) -> dict[str, Any]:
        inside = sum(applied.held.scope.holds_for(w.order.attributes) for w in self.working.values())
        return {
            "orders_refused": applied.refused,
            "working": inside,
            "survivors": applied.survivors,
            "degraded": self.gate.degraded(applied.held, now_ns),
        }

    def _is_locked(self, working: Working) -> bool:
        return working.tif == "opg" and AUCTION_LOCK_NS <= self.at_ns < AUCTION_NS

    def _cancel(self, working: Working, *, asks: bool) -> Rows:
        """Ask for it (a dropped session cancels unasked); 3 ms later the venue says out, or too late."""
        asked, done = self.at_ns, self.at_ns + CANCEL_TAKES_NS
        boot = int(boots(np.array([self.host]), np.array([asked]))[0])
        who, name = ROUTER_TEXT[self.host, boot], working.order.order_id
        request = f'"order_id":"{name}.h","orig_order_id":"{name}"'
        why, stream = "risk" if asks else "venue", f'"stream":"{working.key}"'
        said = [
            (Kind.CANCEL_REQUEST, asked, f"{request},{stream}"),
            (Kind.CANCEL_REJECT, done, f'{request},"reason":"too late",{stream}'),
            (Kind.ORDER_CANCEL, done, f'"order_id":"{name}","reason_class":"{why}",{stream}'),
        ]
        group = np.array([GROUP_KEYS.index(working.key)])
        writer = router_writer(np.array([self.host]), np.array([boot]), group)
        parts = [
            make_rows(
                kind, np.array([ts]), [working.key],
                [f'{{"kind":"{kind.name.lower()}","ts":{ts},{who},{text}'], host=self.host,
                writer=writer, order=working.number, parent=working.parent,
            )
            for kind, ts, text in said
            if asks or kind is Kind.ORDER_CANCEL
        ]  # fmt: skip
        return Rows.joined(parts)


def order_of(event: Mapping[str, Any]) -> Order:
    """Give an `order_new` as its gate sees it."""
    attributes = {kind: event.get(kind) for kind in STOPPABLE_KINDS}
    attributes |= {"parent": event["parent_id"], "gateway": event["host"]}
    return Order(event["order_id"], attributes, event["qty"], event["price"])


def _pair(order: Order) -> tuple[str, str]:
    return str(order.attributes["account"]), str(order.attributes["symbol"])

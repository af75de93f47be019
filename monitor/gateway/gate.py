"""The switch in the order path: hears the halt loop, decides each order, asks no clock and no socket.

The transport is the caller's: give every message of either road to `hear`, ask `decide`
before an order leaves, and look at `alarms` once a second.  The table of `_judge` is the contract's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from detectors.contract import Level
from detectors.scope import FIRM
from monitor.core.authority import receive
from monitor.core.envelope import Ignored
from monitor.core.keyring import Keyring
from monitor.core.messages import Allowance, Halt, Lease, Resume, State, Waiver
from monitor.gateway.latches import NEVER, NO_RATE_CAP, Held, Latches
from monitor.gateway.lease import Alarm, LeasePolicy, LeaseWatch
from monitor.gateway.order import Action, Code, Decision, Order
from monitor.gateway.reducing import NO_POSITION, Positions, Reducing
from monitor.gateway.throttle import Window

UNKNOWN: Final = Held("", FIRM, Level.HALT_NEW, NO_RATE_CAP, NEVER, 0, live=True)  # unknown is halted

WINDOWS_MAX: Final = 1_000  # of throttles; past it those that are over are forgotten


class Effect(enum.StrEnum):
    """What a message did to the gate."""

    TIGHTENED = "tightened"
    LOOSENED = "loosened"
    NOTED = "noted"  # understood; stops no more and no less than before
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one message.  `halts` are those to be acknowledged, each as it holds now."""

    effect: Effect
    type: str = ""
    halts: tuple[Held, ...] = ()
    ignored: Ignored | None = None
    detail: str = ""


class Gate:
    """One gateway's obedience: starts halted, joins what it hears, opens only by two people."""

    def __init__(
        self,
        name: str,
        *,
        site: str,
        env: str,
        keyring: Keyring,
        now_ns: int,
        positions: Positions | None = None,
        lease: LeasePolicy | None = None,
    ) -> None:
        self.name = name
        self._site, self._env, self._keyring = site, env, keyring
        self._latches = Latches()
        self._leases = LeaseWatch(lease or LeasePolicy(), now_ns)
        self._reducing = Reducing(positions)
        self._windows: dict[tuple[str, str], Window] = {}
        self._begun_ns = now_ns

    @property
    def started(self) -> bool:
        """Whether a fresh state was heard; until then every new order is refused."""
        return self._latches.started

    def open(self, now_ns: int) -> tuple[Held, ...]:
        return self._latches.open(now_ns)

    def degraded(self, held: Held, now_ns: int) -> str | None:
        """Why a halt is applied stricter than it reads: to be said in its acks."""
        blind = held.level is Level.REDUCE_ONLY and not self._reducing.knows(now_ns)
        return NO_POSITION if blind else None

    def alarms(self, now_ns: int) -> tuple[Alarm, ...]:
        waiting = now_ns - self._begun_ns
        unstarted = () if self.started else (Alarm("not_started", self.name, waiting, page=False),)
        return unstarted + self._leases.alarms(now_ns)

    def hear(self, raw: bytes, now_ns: int) -> Heard:
        """Verify one message from either road and obey it."""
        received = receive(raw, self._keyring, self._site, self._env)
        if isinstance(received, Ignored):
            return Heard(Effect.IGNORED, ignored=received, detail=received.detail)
        match received.message:
            case Halt() as halt:
                more = self._latches.hear_halt(halt, now_ns)
                said = halt.halt_id, halt.mode == "live"  # a drill of the same id is another halt
                held = tuple(h for h in self.open(now_ns) if (h.halt_id, h.live) == said)
                return Heard(Effect.TIGHTENED if more else Effect.NOTED, received.type, held)
            case State() as state:
                news = set(self._latches.hear_state(state, now_ns))
                held = tuple(h for h in self.open(now_ns) if h.halt_id in news)
                return Heard(Effect.TIGHTENED if news else Effect.NOTED, received.type, held)
            case Resume() as resume:
                refused = self._latches.hear_resume(resume, now_ns)
                return Heard(Effect.NOTED if refused else Effect.LOOSENED, received.type, detail=refused)
            case Lease() as lease:
                self._leases.hear(lease, now_ns)
            case Allowance(gateway=self.name) as allowance:
                self._reducing.hear(allowance)
            case Waiver(gateway=self.name) as waiver:
                self._leases.waive(waiver)
        return Heard(Effect.NOTED, received.type)

    def decide(self, action: Action, order: Order, now_ns: int, replaces: Order | None = None) -> Decision:
        """Whether this may leave now.  An allowed one counts against throttles and allowances."""
        matching = self._latches.matching(order.attributes, now_ns)
        if not self.started or self._leases.stops(order.attributes, now_ns):
            matching = tuple(sorted((*matching, UNKNOWN), key=lambda held: (-held.level, held is UNKNOWN)))
        top = matching[0] if matching else None
        if action is Action.CANCEL:  # free, as long as there is a session to send it on
            return _refused(top) if top and top.level is Level.DISCONNECT else _allowed(top)
        readable = order.is_readable and (replaces is None or replaces.is_readable)
        if not readable or (action is Action.REPLACE) is not (replaces is not None):
            return Decision(allowed=False, code=Code.AMOUNT_UNREADABLE, level=top.level if top else None)
        if top is None:
            return _allowed(None)
        return self._judge(top, order, replaces, now_ns) or self._throttle(matching, top, now_ns)

    def _judge(self, top: Held, order: Order, replaces: Order | None, now_ns: int) -> Decision | None:
        """Refuse by the highest level, or None."""
        calm = replaces is not None and order.is_calmer_than(replaces)
        if top.level is Level.DISCONNECT or (top.level >= Level.HALT_NEW and not calm):
            return _refused(top)
        if top.level is Level.REDUCE_ONLY and not calm:
            refused = self._reducing.refuses(order, replaces, now_ns)
            if refused:
                return _refused(top, degraded=NO_POSITION if refused == NO_POSITION else None)
        return None

    def _throttle(self, matching: tuple[Held, ...], top: Held, now_ns: int) -> Decision:
        throttles = [held for held in matching if held.level is Level.THROTTLE]
        keys = [(held.halt_id, held.scope.text) for held in throttles]
        if len(self._windows) > WINDOWS_MAX:
            still = {(held.halt_id, held.scope.text) for held in self.open(now_ns)}
            self._windows = {key: window for key, window in self._windows.items() if key in still}
        for held, key in zip(throttles, keys, strict=True):
            window = self._windows.setdefault(key, Window())
            sent, most = window.count(now_ns, held.messages_per_s)
            if sent >= most:
                return Decision(
                    allowed=False,
                    code=Code.LIMIT_VIOLATION,
                    halt_id=held.halt_id,
                    level=top.level,
                    measured=sent + 1,
                    limit=held.messages_per_s,
                )
        for key in keys:
            self._windows[key].add(now_ns)
        return _allowed(top)


def _allowed(top: Held | None) -> Decision:
    return Decision(allowed=True, level=top.level if top else None)


def _refused(top: Held, degraded: str | None = None) -> Decision:
    if top is UNKNOWN:
        return Decision(allowed=False, code=Code.STALE_STATE, level=top.level)
    return Decision(allowed=False, code=Code.HALTED, halt_id=top.halt_id, level=top.level, degraded=degraded)

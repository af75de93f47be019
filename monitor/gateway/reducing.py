"""Under `reduce_only`: what may leave is what brings a position nearer to flat, never through it.

    a sell of q  <=  position - sells that already work      (long only)
    a buy of q   <=  -position - buys that already work      (short only)

Orders of the other side are not counted in favour: they may never fill.  A short sale never
reduces.  Who does not know its positions needs an `allowance`; who has neither sends nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from monitor.core.messages import Allowance
from monitor.gateway.order import NOTHING, Amount, Order, exact

SECOND_NS: Final = 1_000_000_000
ALLOWANCE_NS_MAX: Final = 5 * SECOND_NS
# What was sent less than this before an allowance was issued may not be counted in it yet.
SETTLE_NS: Final = 2 * SECOND_NS
GRANTS_MAX: Final = 100_000  # sent within seven seconds; past it nothing more is granted
NO_POSITION: Final = "no_position"


@dataclass(frozen=True, slots=True)
class Position:
    """What a gateway knows of one account and symbol."""

    qty: Amount  # signed
    working_buys: Amount = 0
    working_sells: Amount = 0


Positions = Callable[[str, str], Position | None]


class Reducing:
    """Judges orders under `reduce_only`; remembers what it granted from an allowance."""

    def __init__(self, positions: Positions | None) -> None:
        self._positions = positions
        self._allowed: dict[tuple[str, str, str], Decimal] = {}
        self._issued_at = 0
        self._expires = 0
        self._grants: deque[tuple[int, tuple[str, str, str], Decimal]] = deque()

    def hear(self, allowance: Allowance) -> bool:
        """Take a newer allowance in place of the one before.  Returns whether it is newer."""
        if allowance.issued_at <= self._issued_at:
            return False
        self._issued_at = allowance.issued_at
        self._expires = min(allowance.expires, allowance.issued_at + ALLOWANCE_NS_MAX)
        self._allowed = {}
        for each in allowance.allowed:
            key = (each.account, each.symbol, each.side)
            self._allowed[key] = self._allowed.get(key, NOTHING) + exact(each.qty)
        return True

    def knows(self, now_ns: int) -> bool:
        """Whether there is anything to judge by: own positions, or an allowance that holds."""
        return self._positions is not None or self._issued_at - SETTLE_NS <= now_ns < self._expires

    def refuses(self, order: Order, replaces: Order | None, now_ns: int) -> str | None:
        """Why the order may not leave: "halted" or `NO_POSITION`; None if it may, and then it is counted."""
        account, symbol = order.attributes.get("account"), order.attributes.get("symbol")
        if order.side not in ("buy", "sell") or not account or not symbol:
            return "halted"
        freed = replaces.working if replaces else NOTHING
        done = exact(replaces.qty) - freed if replaces else NOTHING
        wanted = exact(order.qty) - done
        position = self._positions(account, symbol) if self._positions else None
        if position is not None:
            return None if wanted <= _room(position, order.side) + freed else "halted"
        return self._from_allowance((account, symbol, order.side), wanted - freed, now_ns)

    def _from_allowance(self, key: tuple[str, str, str], wanted: Decimal, now_ns: int) -> str | None:
        if not self._issued_at - SETTLE_NS <= now_ns < self._expires:
            return NO_POSITION
        while self._grants and self._grants[0][0] < self._issued_at - SETTLE_NS:
            self._grants.popleft()
        granted = sum((qty for _, whose, qty in self._grants if whose == key), NOTHING)
        if granted + wanted > self._allowed.get(key, NOTHING) or len(self._grants) >= GRANTS_MAX:
            return "halted"
        self._grants.append((now_ns, key, max(wanted, NOTHING)))
        return None


def _room(position: Position, side: str) -> Decimal:
    qty = exact(position.qty)
    if side == "sell":
        return max(qty - exact(position.working_sells), NOTHING)
    return max(-qty - exact(position.working_buys), NOTHING)

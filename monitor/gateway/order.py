"""What a gateway says of an order, and what it is told: allowed, or why not.

Amounts are exact: a float is read as the decimal that it prints, so that 0.3 - 0.1 - 0.2 is
nothing.  An amount that is no positive, finite number is refused by the gate itself.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Final

from detectors.contract import Level

Amount = int | float | Decimal
NOTHING: Final = Decimal(0)


class Action(enum.Enum):
    """What is about to be sent to the market."""

    NEW = "new"
    REPLACE = "replace"
    CANCEL = "cancel"


class Code(enum.StrEnum):
    """Why a gate refuses: the contract's closed list."""

    HALTED = "halted"
    NOT_GRANTED = "not_granted"
    LIMIT_VIOLATION = "limit_violation"
    AMOUNT_UNREADABLE = "amount_unreadable"
    STALE_STATE = "stale_state"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is about to be sent, or as it works."""

    order_id: str
    attributes: Mapping[str, str | None]  # by kind of scope: host, account, symbol, side, ...
    qty: Amount  # total, executed part included
    price: Amount | None = None  # None is a market order
    stop_price: Amount | None = None
    leaves: Amount | None = None  # of a working order; None: all of `qty`

    @property
    def side(self) -> str:
        return self.attributes.get("side") or ""

    @property
    def working(self) -> Decimal:
        return exact(self.qty if self.leaves is None else self.leaves)

    @property
    def is_readable(self) -> bool:
        others = (self.price, self.stop_price, self.leaves)
        if not _is_number(self.qty) or not all(other is None or _is_number(other) for other in others):
            return False
        return self.qty > 0 and (self.leaves is None or self.leaves >= 0)

    def is_calmer_than(self, before: Order) -> bool:
        """Whether replacing `before` by this raises neither quantity nor price aggression."""
        if exact(self.qty) > exact(before.qty) or self.attributes != before.attributes:
            return False
        if self.stop_price != before.stop_price:  # which way is calmer depends on the market
            return False
        if before.price is None or self.price is None:
            return before.price is None  # from market to limit is calmer, the other way is not
        by = exact(self.price) - exact(before.price)
        return by <= 0 if self.side == "buy" else by >= 0 if self.side.startswith("sell") else by == 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer.  `degraded` says that a rule was applied stricter than it reads, and why."""

    allowed: bool
    code: Code | None = None
    halt_id: str | None = None
    level: Level | None = None  # the highest that matched, also of an order that was allowed
    measured: float | None = None
    limit: float | None = None
    degraded: str | None = None


def exact(amount: Amount) -> Decimal:
    return amount if isinstance(amount, Decimal) else Decimal(str(amount))


def _is_number(amount: object) -> bool:
    if isinstance(amount, float):
        return isfinite(amount)
    if isinstance(amount, Decimal):
        return amount.is_finite()
    return isinstance(amount, int) and not isinstance(amount, bool)

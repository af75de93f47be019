"""What the slow ledger remembers (orders, executions, parents, pairs) and what it says (postings).

Names are texts, "" where absent; quantities are 1e-8; codes count up and are never used again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from detectors.posting import PostingKind

UNKNOWN_ACCOUNT: Final = "?"


@dataclass
class Posting:
    """One row of `detectors.posting`, with texts for names and `None` for what is not there."""

    kind: PostingKind
    row: int
    at: int
    clock: int
    low: int
    part: int
    offset: int
    order: int = -1
    parent: int = -1
    who: tuple[str, ...] | None = None
    account: str = ""
    strategy: str = ""
    host: str = ""
    session: str = ""
    symbol: str = ""
    venue: str = ""
    sign: int = 0
    pair: tuple[str, str] | None = None
    qty: int | None = None
    px: int | None = None
    fill: int = 0
    work: int = 0
    pos: int = 0
    base: int = 0
    exec: int = -1
    bits: int = 0
    sent_at: int = 0


@dataclass
class Parent:
    code: int
    name: str
    trade_date: str
    who: dict[str, str] | None = None  # None: nobody announced it yet
    symbol: str = ""
    sign: int = 0
    qty: int = 0
    booked: int = 0
    is_done: bool = False
    is_held: bool = False
    at: int = 0  # when it was last named
    bookings: list[tuple[int, int, int | None]] = field(default_factory=list)  # those that name no total

    @property
    def has_ended(self) -> bool:
        return self.is_done or 0 < self.qty <= self.booked


@dataclass
class Order:
    """A whole replace chain, or a placeholder for one that nobody announced yet."""

    code: int
    trade_date: str
    session: str
    venue: str
    who: dict[str, str] | None = None  # None: nobody announced it yet
    symbol: str = ""
    sign: int = 0
    qty: int = 0
    px: int | None = None
    tif: str = ""
    is_conditional: bool = False
    is_package: bool = False
    is_manual: bool = False
    parent: Parent | None = None
    sent_at: int = 0
    working: int = 0
    consumed: int = 0  # what executions ever took: a bust gives nothing of it back
    is_answered: bool = False
    is_open: bool = True
    is_killed: bool = False  # cancelled, rejected or closed: a replace cannot bring it back
    at: int = 0  # when it was last filled, or out; before that, first heard of
    replaced_by: set[str] = field(default_factory=set)
    executions: list[Execution] = field(default_factory=list)

    @property
    def pair(self) -> tuple[str, str] | None:
        return (self.who["account"], self.symbol) if self.who else None


@dataclass
class Execution:
    """What a fill told, or (`state` early) what a bust or a correction told of a fill still to come."""

    code: int
    space: str  # venue, or else session, or else order id; "" for an early one that named none
    trade_date: str
    names: list[str]  # its exec id and those of its corrections
    state: str = "live"  # live, busted, unbooked (a package), early bust, early correction
    order: Order | None = None
    qty: int = 0
    px: int = 0
    at: int = 0
    who: dict[str, str] = field(default_factory=dict)
    symbol: str = ""
    venue: str = ""
    sign: int = 1  # +1 also where nobody says a side
    is_sideless: bool = False
    is_leg: bool = False
    is_corrected: bool = False
    parent: Parent | None = None

    @property
    def is_early(self) -> bool:
        return self.state.startswith("early")

    @property
    def pair(self) -> tuple[str, str]:
        return (self.who["account"], self.symbol)


@dataclass
class Pair:
    """What is known of one account in one symbol."""

    base: int = 0
    as_of: int | None = None
    moves: list[tuple[int, int]] = field(default_factory=list)  # (AT, change of position)

    def known_at(self, as_of: int) -> int:
        return self.base + sum(change for at, change in self.moves if at <= as_of)


@dataclass
class Counter:
    """Hands out codes."""

    next_code: count[int] = field(default_factory=lambda: count(1))

    def __call__(self) -> int:
        return next(self.next_code)

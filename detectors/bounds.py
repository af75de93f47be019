"""How much the books may hold: three bounds that an operator may say (`[memory]`), with their sums.

Here and not among the ledger's tables, because who only reads a configuration needs no compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# One live order: 56 + 52 bytes, its id 28, its place in the index 8: 144.  A million of them: 144 MB.
# The busiest stream measured (Knight's day) has 2,020 orders a second; kept five minutes after they
# are out that is 606,000.
ORDERS_MAX: Final = 1 << 21
PARENTS_MAX: Final = 1 << 20  # 64 + 20 + 64 (text) + 64 (bookings) bytes: 212 MB when full
# 92 bytes, its place in the index 8: 400 MB on Knight's day of 4 million; past 8 the oldest is forgotten.
EXECUTIONS_MAX: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many rows three of the ledger's tables have, each a power of two.

    >>> Bounds(parents=4).parents
    4
    """

    orders: int = ORDERS_MAX
    executions: int = EXECUTIONS_MAX
    parents: int = PARENTS_MAX

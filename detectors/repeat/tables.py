"""What the family remembers: columns and bounds of its tables, and what they come to.

Each table is allocated whole at its bound; pages never written cost nothing.  In the kernels `t` is all of
them, `p` a posting, `m` a parent, `o` an order, `g` a group of equal orders.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import places
from detectors.evidence import HIT, RING
from detectors.kernel import SECOND_NS
from detectors.ledger import tables as lt
from detectors.rungs import RUNGS

if TYPE_CHECKING:
    from detectors.contract import Int32Array, Int64Array

# fmt: off
# Limits: the settings in their order, then whether answers are told and whether a strategy has a limit.
(
    L_GRACE, L_DUP_WARN, L_DUP_HIGH, L_DUP_HALT, L_UNANSWERED, L_UNANSWERED_NS,
    L_RESENT_NS, L_RESENT_WARN, L_RESENT_HIGH, L_RESENT_HALT, L_EXEC_SHARE,
    L_HAS_ACK, L_HAS_LIMIT,
) = range(13)

# A parent, by the ledger's code; 0 is the bucket, which covers nothing.  42 MB if there are a million.
PARENTS_MAX: Final = lt.PARENTS_MAX
(P_FLAGS, P_QTY, P_FILLED, P_WORKING, P_DONE_AT) = range(5)
PARENT: Final = 5
OPENED, DONE, HELD = 1, 2, 4

# An order, by the ledger's code.  101 MB if there are two million.
ORDERS_MAX: Final = lt.ORDERS_MAX
(
    O_HI, O_LO,                 # what it is equal to
    O_GROUP,                    # its group, and which life of it: 0, it was never announced to us
    O_INDEX,                    # which of its group it is, 0: it is answered, or it does not matter
    O_QTY, O_FILLED,
) = range(6)
ORDER: Final = 6

# A group of equal orders: 65 s of 2,000 different orders a second; beyond it the one that is looked at next
# is begun anew.  12 MB, and 1 MB to find them.
GROUPS_MAX: Final = 1 << 17
GROUP_BITS: Final = 17
(
    G_HI, G_LO,                 # hash of what is equal; the index reads them
    G_LIFE,                     # rises whenever a row is begun
    G_NEWEST,                   # ns: the latest of its orders and fills
    G_SENT, G_ANSWERED,         # orders that await an answer: how many, and up to which one they have it
    G_TENTH, G_TENTH_COUNTS,    # orders in 1 s (see `windows`)
    G_FILLED_AT,                # ns: when one of them was last filled in full
    G_RESENT, G_RESENT_COUNTS,  # orders after that, in 10 s
    G_PART, G_OFFSET,           # the last of them that no live parent covered
) = range(13)
GROUP: Final = 13

# Whose it is: sessions (else hosts, accounts), and strategies.  4.7 MB if there are 4,096 that did it.
PLACES_MAX: Final = 1 << 12
LANES: Final = 4                # rungs and evidence of a place
SECOND, UNANSWERED, RESENT, EXECUTIONS = range(4)

# A strategy, by its name's code: 2 MB.
STRATEGIES_MAX: Final = 1 << 16
(
    ST_LIMIT,                   # executions + 1; 0: nobody has said, 1: it has none
    ST_DATE, ST_COUNT, ST_WARNED,  # of one trade date, since the last person or the last stop
    ST_FILLED,                  # a symbol that has no cell of its own was filled
) = range(5)
STRATEGY: Final = 5
# Cells of (strategy, symbol): key, whether it was filled since its last order.  Beyond three quarters full
# a strategy's further symbols share one.  0.5 MB.
CELLS_MAX: Final = 1 << 15

# One-off numbers.
(S_GROUPS, S_HAND, S_LIVES, S_PARENTS, S_ORDERS, S_CELLS, S_ASKED, S_FORGOTTEN) = range(8)
STATE: Final = 8
# fmt: on

TENTH_NS: Final = SECOND_NS // 10
STEPS_MAX: Final = 8  # groups looked at for a free row at one order, so that no order waits for all
DAY_NS: Final = 86_400 * SECOND_NS
HITS_OF_ONE: Final = 2  # at most, of one posting
HITS_MAX: Final = 256

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "state": (STATE,),
    "parents": (PARENTS_MAX, PARENT),
    "orders": (ORDERS_MAX, ORDER),
    "groups": (GROUPS_MAX, GROUP),
    "until": (PLACES_MAX * LANES, RUNGS),
    "rings": (PLACES_MAX * LANES, RING),
    "strategies": (STRATEGIES_MAX, STRATEGY),
    "cells": (CELLS_MAX, 2),
}
# About 170 MB if all were full; about 30 MB with 100,000 parents and 200,000 live orders.
BYTES_MAX: Final = (
    8 * (sum(prod(shape) for shape in SHAPES.values()) + HITS_MAX * HIT)
    + 4 * 2 * GROUPS_MAX
    + sum(table.nbytes for table in places.tables(PLACES_MAX))
)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    state: Int64Array
    parents: Int64Array
    orders: Int64Array
    groups: Int64Array
    slots: Int32Array  # by the hash of a group
    until: Int64Array
    rings: Int64Array
    strategies: Int64Array
    cells: Int64Array
    places: Int64Array
    codes: Int64Array
    hits: Int64Array


def remembered() -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    found = dict(zip(("places", "codes"), places.tables(PLACES_MAX), strict=True))
    tables: dict[str, NDArray[Any]] = {name: np.zeros(shape, np.int64) for name, shape in SHAPES.items()}
    return {**tables, "slots": np.zeros(2 * GROUPS_MAX, np.int32), **found}

"""What the family remembers: columns and bounds of its tables, and what they come to.

Each table is allocated whole at its bound; pages never written cost nothing.  In the kernels `t` is all of
them, `p` a posting, `o` what is known of an order, `h` the row of a halt.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import HIT, RING
from detectors.halts import HALTS_MAX
from detectors.ledger import tables as lt
from detectors.rungs import RUNGS

if TYPE_CHECKING:
    from detectors.contract import Int64Array

# fmt: off
# Thresholds: the settings in their order, then the clock bound of a host that says none.
(T_HIGH, T_HALT, T_RUNNING, T_IN_FLIGHT, T_CANCELLED, T_CLOCK_BOUND) = range(6)

# An order, while a halt is in force: 120 bytes, 252 MB if the ledger were full.
ORDERS_MAX: Final = lt.ORDERS_MAX
(
    O_SENT,                     # when; also which order has this code
    O_QTY, O_PX, O_WORK,        # total, price, what works: 1e-8
    O_WHO, O_PAIR, O_VENUE, O_SYMBOL, O_SIDE, O_PARENT_HI, O_PARENT_LO,
    O_ASKED, O_ASKED_ID,        # the last request to replace: when, and its id
    O_MARKS,                    # bits below
    O_WATCHED,                  # row + 1 of a halt that must have cancelled it, 0: none
) = range(15)
ORDER: Final = 15
LEAKED, COUNTED, UNBOOKED = 1, 2, 4  # O_MARKS; UNBOOKED: conditional or a package, so no quantity works

# (account, symbol), while a halt is in force: 12 MB.
PAIRS_MAX: Final = lt.PAIRS_MAX
(A_POSITION, A_BUYS, A_SELLS) = range(3)
PAIR: Final = 3

HOSTS_MAX: Final = 1 << 12      # as many as have a name: their clock bound + 1, 0: none said

# What leaked of the halt of a row.  SECONDS: a ring of seconds and what a throttle let through in each.
SECONDS: Final = 16
(
    K_SERIAL, K_COUNT,
    K_CANCELS, K_DUE,           # since when all obey, as was asked what works; when that is judged, 0: it is
    K_SECONDS,
) = range(5)
KEPT: Final = K_SECONDS + 2 * SECONDS

# One-off numbers.
(S_FOLLOWS, S_ORDERS, S_NEXT_DUE) = range(3)  # whether orders are followed; codes seen; the first K_DUE
STATE: Final = 4
# fmt: on

HITS: Final = 2 * HALTS_MAX  # room for what one posting can say of every halt

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "state": (STATE,),
    "orders": (ORDERS_MAX, ORDER),
    "pairs": (PAIRS_MAX, PAIR),
    "bounds": (HOSTS_MAX,),
    "kept": (HALTS_MAX, KEPT),
    "cross": (HALTS_MAX, RUNGS),
    "rings": (HALTS_MAX, RING),
}
# 267 MB if all were full; nothing to speak of while no halt is open.
BYTES_MAX: Final = 8 * (sum(prod(shape) for shape in SHAPES.values()) + HITS * HIT)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    state: Int64Array
    orders: Int64Array
    pairs: Int64Array
    bounds: Int64Array
    kept: Int64Array
    cross: Int64Array
    rings: Int64Array
    who64: Int64Array  # the ledger's
    halts: Int64Array  # of `detectors.halts`, as the next four
    levels: NDArray[np.int8]
    since: Int64Array
    gateway_of_host: Int64Array
    survivors: Int64Array
    in_force: Int64Array
    hits: Int64Array


def remembered() -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    return {name: np.zeros(shape, np.int64) for name, shape in SHAPES.items()}

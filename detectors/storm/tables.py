"""What the family remembers: columns and bounds of its tables, and what they come to.

Each table is allocated whole at its bound; pages never written cost nothing.  In the kernels `t` is all of
them, `p` a posting, `q` the counts of a place, `c` whoever said which text.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import places
from detectors.evidence import HIT, RING
from detectors.ledger import tables as lt

if TYPE_CHECKING:
    from detectors.contract import Int64Array

# fmt: off
# Limits: the settings in their order, then whether there is a baseline of texts.
(
    L_REJECTS_WARN, L_REJECTS_WARN_N, L_REJECTS_HIGH, L_REJECTS_HIGH_N, L_REJECTS_HALT, L_REJECTS_HALT_N,
    L_WITHIN, L_CANCELS_WARN, L_CANCELS_HIGH, L_CANCELS_HIGH_N, L_CANCELS_HALT, L_CANCELS_HALT_N,
    L_RUNNING, L_UNKNOWN_WARN, L_UNKNOWN_HIGH, L_UNKNOWN_NS, L_PEERS, L_ALIVE,
    L_HAS_BASELINE,
) = range(19)

# A place is a session, or a host that says something.  92 columns: 3 MB if there are 4,096.
PLACES_MAX: Final = 1 << 12
WINDOW: Final = 10              # seconds
AHEAD: Final = 5                # seconds that a partition may be ahead; beyond it all counts in the last
SETTLING: Final = 5             # seconds after a window is empty until every rung is let go
BUCKETS: Final = 16             # of one second each
(
    Q_UNTIL, Q_TEXT_UNTIL,      # the last second at which its orders, or its texts, are judged
    Q_REJECTS_RUN, Q_CANCELS_RUN, Q_HALT_RUN,   # evaluations running at a share
    Q_UNKNOWN, Q_CONFIRMED, Q_PEERS,            # of one evaluation: texts, those that may page, other hosts
    Q_BUCKETS,
) = range(9)
(B_SECOND, B_SENT, B_ANSWERED, B_REJECTED, B_QUICK) = range(5)  # of each bucket
BUCKET: Final = 5
COUNTS: Final = Q_BUCKETS + BUCKET * BUCKETS
LANES: Final = 3                # rungs and evidence of a place: by reason

# What was told of an order before the order: when, and whether it was a cancel.  16 MB if two million were.
ORDERS_MAX: Final = lt.ORDERS_MAX

# A text, by the code of its name: 0.4 MB.
TEXTS_MAX: Final = 1 << 14      # as many as have a name
(
    T_CLASS,                    # the first text that is the same when masked; 0: nobody has said
    T_KNOWN,                    # of a class: it is in the baseline
    T_HEAD,                     # of a class: who said it, a row of `said` + 1
) = range(3)
TEXT: Final = 3

# Who said what: 100 hosts and 160 classes of texts; beyond it row 0, the firm, says it.  2.6 MB.
SAID_MAX: Final = 1 << 14
TIMES_MAX: Final = 16           # the last times that it was said
(C_PLACE, C_CLASS, C_NEXT, C_COUNT, C_TIMES) = range(5)  # C_NEXT: row + 1 of the next one who said it
SAID: Final = C_TIMES + TIMES_MAX

HOSTS_MAX: Final = 1 << 12      # as many as have a name
(H_ROLE, H_BEAT) = range(2)
HOST: Final = 2

# One-off numbers.
(
    S_TICKED, S_NEXT_NS,        # the last second that is judged, when the next one ends
    S_UNTIL, S_TEXT_UNTIL,      # the last second at which something, or some text, may be said
    S_SAID, S_ORDERS,           # rows in use, besides row 0
    S_ASKED,                    # a new text: somebody must say what it is when masked
    S_HOSTS,                    # codes of hosts that were heard, 1 more than the highest
) = range(8)
STATE: Final = 8
# fmt: on

HITS: Final = LANES * (PLACES_MAX + 1)  # of one second

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "state": (STATE,),
    "counts": (PLACES_MAX, COUNTS),
    "cross": (PLACES_MAX * LANES, 3),
    "rings": (PLACES_MAX * LANES, RING),
    "early": (ORDERS_MAX,),
    "texts": (TEXTS_MAX, TEXT),
    "said": (SAID_MAX, SAID),
    "hosts": (HOSTS_MAX, HOST),
}
# About 35 MB if all were full; under 1 MB with a hundred sessions and hosts.
BYTES_MAX: Final = 8 * (sum(prod(shape) for shape in SHAPES.values()) + HITS * HIT) + sum(
    table.nbytes for table in places.tables(PLACES_MAX)
)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    state: Int64Array
    counts: Int64Array
    cross: Int64Array
    rings: Int64Array
    early: Int64Array
    texts: Int64Array
    said: Int64Array
    hosts: Int64Array
    places: Int64Array
    codes: Int64Array
    hits: Int64Array


def remembered() -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    found = dict(zip(("places", "codes"), places.tables(PLACES_MAX), strict=True))
    return {**{name: np.zeros(shape, np.int64) for name, shape in SHAPES.items()}, **found}

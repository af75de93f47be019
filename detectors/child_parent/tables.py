"""What the family remembers: the columns of its tables, their bounds and the sums behind them.

Row 0 of parents, places and pairs is the bucket of all that have no row of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from detectors.child_parent.reasons import REASONS
from detectors.evidence import HIT, RING
from detectors.kernel import SECOND_NS
from detectors.pricing import CURRENCIES_MAX, CURRENCY, SYMBOL, SYMBOLS_MAX

if TYPE_CHECKING:
    from detectors.contract import Int64Array

# fmt: off
# Limits: the settings in their order, then the clock bound of a host that told none.
(
    L_GRACE, L_BOUNDS, L_DONE_HIGH, L_DONE_HALT, L_DONE_WINDOW, L_DONE_TOTAL,
    L_PARENTS, L_PARENTS_WINDOW, L_WIDEN,
    L_SLACK, L_OVER_AFTER, L_OVER_TIMES, L_OVER_USD,
    L_ANNOUNCE, L_ORPHAN_WARN, L_ORPHAN_HIGH, L_ORPHAN_HIGH_USD, L_ORPHAN_HALT, L_ORPHAN_HALT_USD,
    L_RATIO_WARN, L_RATIO_HIGH, L_RATIO_HALT, L_RATIO_RUNNING,
    L_CHAIN_WARN, L_CHAIN_HIGH, L_CHAIN_HIGH_USD, L_CHAIN_HALT, L_CHAIN_HALT_USD, L_UNPRICED,
    L_CLOCK_BOUND,
) = range(30)

# One-off numbers.
(
    S_TICKED, S_NEXT_NS,                    # the last tick that is closed; when the next one ends
    S_PLACES, S_PAIRS, S_PARENTS, S_ORDERS, S_WAITING,  # rows in use; of places and pairs besides row 0
    S_ORPHANS_UNTIL, S_CHILDREN_UNTIL,      # the last tick, and second, that has something to close
    S_ASKED,                                # the pair + 1 of which nobody has said yet whether it is parented
    S_COLD, S_DATE,                         # the stream began within a session; on this trade date
    S_CURRENCY,                             # nobody has said yet whether this currency is the dollar
) = range(13)
STATE: Final = 16

# A parent, by the ledger's code; row 0 is the ledger's bucket, a sum that is never done.
# 35 columns at most: 294 MB if a million parents are each judged, 28 MB for 100,000.
PARENTS_MAX: Final = 1 << 20
(
    P_CROSSED, _, _,            # of overcommit: three columns of `kernel.crossed`
    P_FLAGS, P_LIFE, P_QTY, P_FILLED, P_WORKING, P_BOOKED,
    P_DONE_AT,                  # while it is not done: when it was opened again
    P_DONE_HOST, P_DONE_PART, P_DONE_OFFSET,
    P_VOIDED,                   # rises when the counts are withdrawn
    P_LATE, P_LATE_USD, P_LATE_PLACE,
    P_OVER_AT, P_OVER_PLACE,    # since when it is overcommitted, 0: it is not; by whom
    P_PLACE,                    # who sent its last child
    P_RECENT,                   # from here: times of the last late children, one fewer than halt
) = range(21)
HEARD, OPENED, DONE, PAGED = 1, 2, 4, 8  # the order system spoke of it; announced; done; overcommit paged

# A place is whom an order belongs to; row 0 is the firm.  441 columns: 14 MB if there are 4,096.
PLACES_MAX: Final = 1 << 12
RING_PARENTS: Final = 16  # parents that a place last wronged
ORPHAN_BUCKETS: Final = 128  # of one tick each: the window, what comes early, and one being filled
(PL_KIND, PL_CODE, PL_BUILD, PL_STRATEGY, PL_USD, PL_HALTED_AT, PL_NEWEST, PL_UNTIL, PL_WRONGED) = range(9)
PL_ORPHANS: Final = PL_WRONGED + 3 * RING_PARENTS  # (parent, at, voided) each, then ...
PLACE: Final = PL_ORPHANS + 3 * ORPHAN_BUCKETS  # ... (bucket, count, usd) each
CROSS: Final = 4  # of each place and reason: `kernel.crossed`, and the time of the last event

# A pair is a place and a strategy.  73 columns: 4.8 MB if there are 8,192.
PAIRS_MAX: Final = 1 << 13
RATIO_BUCKETS: Final = 16  # of one second each
(PR_CROSSED, _, _, PR_PLACE, PR_STRATEGY, PR_PARENTED, PR_UNTIL, PR_HIGH, PR_HALT, PR_CHILDREN) = range(10)
PR_PARENTS: Final = PR_CHILDREN + 2 * RATIO_BUCKETS  # (second, children of it) each, then ...
PAIR: Final = PR_PARENTS + 2 * RATIO_BUCKETS  # ... (second, parents with a child in the ten before it) each
UNASKED, YES, NO = 0, 1, 2  # PR_PARENTED: whether its orders must name a parent

# Which parents count for a pair at which seconds: 4 MB.  Beyond it a child still counts and its parent
# does not, so the ratio is too high rather than too low.
SEEN_MAX: Final = 1 << 17
(SN_PARENT, SN_PAIR, SN_UNTIL, SN_BITS) = range(4)  # the last second, and bits of the 64 up to it
SEEN: Final = 4

# Hash slots of places and pairs, (key, row) each: at most 3/8 full.
CODES_MAX: Final = 1 << 15

HOSTS_MAX: Final = 1 << 12  # as many as have a name
(H_BOUND, H_BUILD, H_PLACE) = range(3)  # H_BOUND: clock bound + 1, 0 if it told none
HOST: Final = 3
# The last price of each symbol, and what `pricing` keeps of it and of currencies: 3.7 MB.

# An order: 8 bytes for its first quantity, and 48 of its chain if it was replaced: 117 MB if all two
# million were.
ORDERS_MAX: Final = 1 << 21
(C_CROSSED, _, _, C_SENT_AT, C_EARLY_QTY, C_EARLY_AT) = range(6)
CHAIN: Final = 6

# What time must decide: a parent overcommitted for a second, an order whose parent may yet be announced.
# 2 seconds of 32,768 such orders a second; beyond it they count at once.  4.7 MB.
WAITING_MAX: Final = 1 << 16
(
    W_WHAT, W_PARENT, W_LIFE, W_DUE, W_SINCE, W_PLACE,
    W_WORTH,                    # dollars of an order, price of a parent's share
    W_PART, W_OFFSET,
) = range(9)
WAITING: Final = 9
# fmt: on

TICK_NS: Final = SECOND_NS // 10
TICKS_A_SECOND: Final = 10
ORPHAN_WINDOW, ORPHANS_AHEAD = 100, 27  # ticks
RATIO_WINDOW, CHILDREN_AHEAD = 10, 5  # seconds
SETTLING_S: Final = 5  # after a window is empty: each of three rungs is held for one second more
QUIET_TICKS: Final = TICKS_A_SECOND * (RATIO_WINDOW + CHILDREN_AHEAD + SETTLING_S + 1)
QUIET_NS: Final = np.int64(3600 * SECOND_NS)  # evidence before an hour of quiet is another story's

N_REASONS: Final = len(REASONS)
HITS_OF_ONE: Final = 8  # at most, of one posting
HITS_MAX: Final = PLACES_MAX + PAIRS_MAX + 64  # a tick finds at most one for each place and each pair


class Tables(NamedTuple):
    """All that the kernels read and write."""

    limits: Int64Array
    state: Int64Array
    parents: Int64Array
    places: Int64Array
    pairs: Int64Array
    cross: Int64Array  # by place and reason, as are the rings of evidence
    rings: Int64Array
    seen: Int64Array
    codes: Int64Array
    hosts: Int64Array
    prices: Int64Array
    symbols: Int64Array
    currencies: Int64Array
    firsts: Int64Array
    chains: Int64Array
    waiting: Int64Array
    hits: Int64Array


def shapes(halt_count: int = RING_PARENTS) -> dict[str, tuple[int, ...]]:
    """Of all that is remembered; a parent keeps one late child fewer than halt its host."""
    return {
        "state": (STATE,),
        "parents": (PARENTS_MAX, P_RECENT + halt_count - 1),
        "places": (PLACES_MAX, PLACE),
        "pairs": (PAIRS_MAX, PAIR),
        "cross": (PLACES_MAX * N_REASONS, CROSS),
        "rings": (PLACES_MAX * N_REASONS, RING),
        "seen": (SEEN_MAX, SEEN),
        "codes": (CODES_MAX, 2),
        "hosts": (HOSTS_MAX, HOST),
        "prices": (SYMBOLS_MAX,),
        "symbols": (SYMBOLS_MAX, SYMBOL),
        "currencies": (CURRENCIES_MAX, CURRENCY),
        "firsts": (ORDERS_MAX,),
        "chains": (ORDERS_MAX, CHAIN),
        "waiting": (WAITING_MAX, WAITING),
    }


def tables_of(limits: Int64Array, halt_count: int) -> Tables:
    """All tables at their bounds, empty: pages that nobody writes cost nothing."""
    remembered = {name: np.zeros(shape, np.int64) for name, shape in shapes(halt_count).items()}
    return Tables(limits, **remembered, hits=np.zeros((HITS_MAX, HIT), np.int64))


# About 460 MB if all were full; about 40 MB with 100,000 parents and a million live orders.
BYTES_MAX: Final = 8 * (HITS_MAX * HIT + sum(int(np.prod(shape)) for shape in shapes().values()))
